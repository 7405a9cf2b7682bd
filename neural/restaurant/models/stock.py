"""Stock: the level of each item, and which items are low now."""

from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.amounts import amount_field
from neural.restaurant.models.newest import NewestQuerySet, version_field


class StockQuerySet(NewestQuerySet):
    def low(self) -> Self:
        """The stock alerts: items that are low now."""
        return self.filter(low=True)


class StockLevel(models.Model):
    """A store's item, as it was last reported.

    Two aspects have a version each: the level, and the threshold below which it is low (an update
    of the level need not repeat the threshold). An item is low if its newest report says so
    (inventory.low), or if its level is at or below its threshold.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="stock", db_index=False
    )
    item = models.CharField(_("item"), max_length=200)
    level = amount_field(_("level"), default=Decimal(0), db_default=Decimal(0))
    unit = models.CharField(_("unit"), max_length=30, blank=True, default="", db_default="")
    threshold = amount_field(_("threshold"), null=True, blank=True)
    reported_low = models.BooleanField(_("reported as low"), default=False, db_default=False)
    low = models.BooleanField(_("low"), default=False, db_default=False)
    level_version = version_field(_("version of the level"))
    threshold_version = version_field(_("version of the threshold"))

    objects = StockQuerySet.as_manager()

    class Meta:
        db_table = "neural_stocklevel"
        verbose_name = _("stock level")
        verbose_name_plural = _("stock levels")
        constraints = (
            # Its index also finds a store's stock.
            models.UniqueConstraint(fields=("store", "item"), name="neural_stock_identity"),
        )
        indexes = (
            # For what people look at first: the few low items of all stores.
            models.Index(fields=("store", "item"), condition=Q(low=True), name="neural_stock_low"),
        )

    def __str__(self) -> str:
        return self.item

    def report(
        self, *, version: bytes, level: Decimal, unit: str, threshold: Decimal | None, low: bool
    ) -> bool:
        """Apply a report, each aspect unless a newer one is known.

        The caller holds the row's lock. Returns whether anything changed.
        """
        newer_level = version > self.level_version
        newer_threshold = threshold is not None and version > self.threshold_version
        if newer_level:
            self.level, self.unit, self.reported_low = level, unit, low
            self.level_version = version
        if newer_threshold:
            self.threshold, self.threshold_version = threshold, version
        return (newer_level or newer_threshold) and self._save()

    def _save(self) -> bool:
        under = self.threshold is not None and self.level <= self.threshold
        self.low = self.reported_low or under
        self.save(update_fields=_REPORTED_FIELDS)
        return True


_REPORTED_FIELDS = (
    "level",
    "unit",
    "threshold",
    "reported_low",
    "low",
    "level_version",
    "threshold_version",
)
