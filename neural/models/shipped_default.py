"""What an app has created once: rows that it ships, and that are people's from then on."""

from django.db import models
from django.db.models.functions import Now


class ShippedDefault(models.Model):
    """The note that something which an app ships was created. What people change or delete
    afterwards stays so."""

    name = models.CharField(max_length=100, primary_key=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
