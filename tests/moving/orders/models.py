from django.db import models


class Order(models.Model):
    state = models.CharField(max_length=20, default="new")
    receipts = models.IntegerField(default=0)

    def __str__(self):
        return f"order {self.pk}"


class Noted(models.Model):
    """What the signal handlers saw."""

    signal = models.CharField(max_length=20)
    task = models.CharField(max_length=100)

    def __str__(self):
        return f"{self.signal} of {self.task}"
