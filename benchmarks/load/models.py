"""The table of the bare view."""

from django.db import models


class Row(models.Model):
    payload = models.JSONField()

    def __str__(self) -> str:
        return f"row {self.pk}"
