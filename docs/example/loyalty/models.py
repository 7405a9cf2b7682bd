"""The model of the loyalty app: how many points each guest has."""

from django.db import models


class Account(models.Model):
    """A guest's points at one store."""

    store = models.ForeignKey("neural.Store", models.PROTECT, related_name="+")
    member = models.CharField(max_length=50)
    points = models.PositiveIntegerField(default=0)
    last_earned_at = models.DateTimeField()
    closed = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("store", "member"), name="loyalty_account_identity"),
        )

    def __str__(self) -> str:
        return self.member
