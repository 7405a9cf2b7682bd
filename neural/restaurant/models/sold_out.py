"""Dishes that were sold out, and that were available again, as stores report it."""

from collections.abc import Collection

from django.db import models
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store, StoreScopedQuerySet
from neural.restaurant.models.newest import version_field


class AvailabilityQuerySet(StoreScopedQuerySet["Availability"]):
    def take(self, reported: Collection["Availability"]) -> None:
        """Keep these reports, each once. They are sorted, so that two transactions cannot
        deadlock."""
        ordered = sorted(reported, key=lambda each: (each.store_id, each.dish, each.version))
        self.bulk_create(ordered, ignore_conflicts=True)


class Availability(models.Model):
    """One report that a dish is sold out, or available again.

    Each report is a row of its own, so in whatever order they arrive the periods between them are
    the same (``restaurant.sold_out``).
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="+", db_index=False
    )
    dish = models.CharField(_("dish"), max_length=200)
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    at = models.DateTimeField(_("since"))
    sold_out = models.BooleanField(_("sold out"))
    until = models.DateTimeField(_("until"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    till = models.CharField(_("till"), max_length=60, blank=True, default="")
    version = version_field()

    objects = AvailabilityQuerySet.as_manager()

    class Meta:
        db_table = "neural_availability"
        verbose_name = _("sold-out report")
        verbose_name_plural = _("sold-out reports")
        constraints = (
            # Its index also finds the reports of a store's dish.
            models.UniqueConstraint(
                fields=("store", "dish", "version"), name="neural_availability_identity"
            ),
        )
        indexes = (
            # For the reports of a store within a span of time.
            models.Index(fields=("store", "at"), name="neural_availability_by_store"),
        )

    def __str__(self) -> str:
        return self.name or self.dish
