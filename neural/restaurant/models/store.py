"""What stores report of themselves: when they take orders, their stock, and how their tills
closed a day."""

import datetime as dt
from decimal import Decimal
from typing import Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.amounts import QuantityField, text_field
from neural.restaurant.models.newest import NewestQuerySet, stated_columns, version_field


class Opening(models.TextChoices):
    """Whether a store takes orders."""

    OPENED = "opened", _("open for orders")
    CLOSED = "closed", _("closed for orders")
    BUSY = "busy", _("too busy")


class OpeningQuerySet(NewestQuerySet["OpeningState"]):
    def newest(self, *, store: Store, platform: str = "") -> "OpeningState | None":
        """What a store stated last, about all its orders or about those from a platform; None if it
        never stated anything."""
        return self.filter(store=store, platform=platform).order_by("-version").first()


class OpeningState(models.Model):
    """A store's statement that it opened, closed or is too busy. There is a row for each event."""

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="openings", db_index=False
    )
    platform = models.CharField(
        _("platform"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("Empty: it is about all orders."),
    )
    state = models.CharField(_("state"), max_length=10, choices=Opening.choices)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    starts_at = models.DateTimeField(_("since"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    version = version_field()

    objects = OpeningQuerySet.as_manager()

    class Meta:
        db_table = "neural_openingstate"
        verbose_name = _("opening state")
        verbose_name_plural = _("opening states")
        constraints = (
            # Its index also finds the newest state of a store.
            models.UniqueConstraint(
                fields=("store", "platform", "version"), name="neural_opening_identity"
            ),
            models.CheckConstraint(
                condition=Q(state__in=Opening.values), name="neural_opening_known_state"
            ),
        )
        indexes = (
            # For the admin's list of one store.
            models.Index(fields=("store", "-id"), name="neural_opening_by_store"),
        )

    def __str__(self) -> str:
        return f"{self.store_id} {self.state}"

    def at(self, moment: dt.datetime) -> Opening:
        """What this statement means at a later moment: when its end has passed, the store is open
        again."""
        is_over = self.ends_at is not None and self.ends_at <= moment
        return Opening.OPENED if is_over else Opening(self.state)


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
    level = QuantityField(_("level"), default=Decimal(0), db_default=Decimal(0))
    unit = text_field(_("unit"), 30)
    threshold = QuantityField(_("threshold"), null=True, blank=True)
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
        self.save(update_fields=stated_columns(StockLevel, key=("store", "item")))
        return True


class DayClose(models.Model):
    """A till's own totals of a business day. They are compared with ours and change nothing.

    Without a till it speaks for all tills of its store. A till that takes several currencies closes
    its day in each of them. ``sums`` and ``tenders`` hold what is
    stated, as decimal text by name; what a till leaves out is not compared.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="day_closes", db_index=False
    )
    till = models.CharField(
        _("till"), max_length=60, blank=True, default="", help_text=_("Empty: the whole store.")
    )
    business_day = models.DateField(_("business day"))
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    orders = models.PositiveIntegerField(_("orders"), null=True, blank=True)
    guests = models.PositiveIntegerField(_("guests"), null=True, blank=True)
    first_ticket = models.CharField(_("first ticket"), max_length=100, blank=True, default="")
    last_ticket = models.CharField(_("last ticket"), max_length=100, blank=True, default="")
    sums = models.JSONField(_("stated sums"), default=dict, blank=True, encoder=DjangoJSONEncoder)
    tenders = models.JSONField(
        _("stated tenders"), default=dict, blank=True, encoder=DjangoJSONEncoder
    )
    version = version_field()

    objects = NewestQuerySet.as_manager()

    class Meta:
        db_table = "neural_dayclose"
        verbose_name = _("day close")
        verbose_name_plural = _("day closes")
        constraints = (
            # Its index also finds the closes of a store's day, and a store's closes by day.
            models.UniqueConstraint(
                fields=("store", "business_day", "till", "currency"),
                name="neural_day_close_by_currency",
            ),
        )

    def __str__(self) -> str:
        parts = (self.store_id, str(self.business_day), self.till, self.currency)
        return " ".join(filter(None, parts))

    @property
    def stated_sums(self) -> dict[str, Decimal]:
        """The stated sums by name."""
        return {name: Decimal(amount) for name, amount in self.sums.items()}

    @property
    def stated_tenders(self) -> dict[str, Decimal]:
        """What was stated of each tender."""
        return {name: Decimal(amount) for name, amount in self.tenders.items()}
