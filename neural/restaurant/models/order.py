"""Orders, each aspect as its newest event states it."""

import datetime as dt
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from neural.models.store import Store
from neural.restaurant.models.amounts import total_field
from neural.restaurant.models.newest import NewestQuerySet, moment_of, version_field

if TYPE_CHECKING:
    from neural.restaurant.models.order_line import OrderLine


class OrderState(models.TextChoices):
    EXPECTED = "expected", _("expected")
    PLACED = "placed", _("placed")
    CANCELLED = "cancelled", _("cancelled")


class OrderQuerySet(NewestQuerySet["Order"]):
    def known(self, *, store: Store, number: str) -> int:
        """The primary key of this order. A new order is created as an expected one."""
        found = self.filter(store=store, number=number).values_list("pk", flat=True)
        for pk in found:
            return pk
        self.insert_if_absent(key={"number": number, "store": store}, values={})
        return found.get()

    def keep(self, orders: Collection["Order"]) -> None:
        """Save locked orders that were restated or cancelled, without their lines.

        This is an upsert of existing rows, which is one plain statement; a bulk_update would be a
        CASE per field.
        """
        self.bulk_create(
            orders,
            update_conflicts=True,
            unique_fields=("number", "store"),
            update_fields=_STATED_FIELDS,
        )


class Order(models.Model):
    """A guest's order.

    Three aspects have a version each: its content (lines and currency), its time, and its
    cancellation. It is cancelled if its cancellation is newer than its content. An order of which
    only a payment is known is expected.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="orders", db_index=False
    )
    number = models.CharField(_("order number"), max_length=100)
    state = models.CharField(
        _("state"),
        max_length=9,
        choices=OrderState.choices,
        default=OrderState.EXPECTED,
        db_default=OrderState.EXPECTED,
    )
    placed_at = models.DateTimeField(_("placed at"), null=True, blank=True)
    business_day = models.DateField(_("business day"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="", db_default="")
    total = total_field(_("total"), default=Decimal(0), db_default=Decimal(0))
    paid = total_field(_("paid"), default=Decimal(0), db_default=Decimal(0))
    refunded = total_field(_("refunded"), default=Decimal(0), db_default=Decimal(0))
    cancel_reason = models.CharField(
        _("reason of the cancellation"), max_length=500, blank=True, default="", db_default=""
    )
    content_version = version_field(_("version of the content"))
    placed_version = version_field(_("version of the time"))
    cancel_version = version_field(_("version of the cancellation"))

    objects = OrderQuerySet.as_manager()

    class Meta:
        db_table = "neural_order"
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = (
            # The number comes first, so that the index also serves a search by number.
            models.UniqueConstraint(fields=("number", "store"), name="neural_order_identity"),
            models.CheckConstraint(
                condition=Q(state__in=OrderState.values), name="neural_order_known_state"
            ),
            models.CheckConstraint(
                condition=~Q(state=OrderState.PLACED)
                | Q(placed_at__isnull=False, business_day__isnull=False),
                name="neural_order_placed_has_day",
            ),
            models.CheckConstraint(
                condition=Q(total__gte=0, paid__gte=0, refunded__gte=0),
                name="neural_order_totals_not_negative",
            ),
        )
        indexes = (
            # For computing a day's demand, and for the admin's filters by store and day.
            models.Index(fields=("store", "business_day"), name="neural_order_by_day"),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def balance(self) -> Decimal:
        """What the guest still owes; negative if too much was paid."""
        return self.total - self.paid + self.refunded

    @property
    def counted_day(self) -> dt.date | None:
        """The business day in whose demand this order counts; None if it does not count."""
        return self.business_day if self.state == OrderState.PLACED else None

    @property
    def cancelled_at(self) -> dt.datetime | None:
        """When the newest cancellation occurred; None if the order is not cancelled."""
        return moment_of(self.cancel_version) if self.state == OrderState.CANCELLED else None

    # Verbs. The caller holds the row's lock (Order.objects.lock_or_create). The first two change
    # only the object; Order.objects.keep and OrderLine.objects.replace then save many at once.

    new_lines: "Sequence[OrderLine] | None" = None
    had_lines = False

    def restate(
        self,
        *,
        version: bytes,
        placed_at: dt.datetime | None,
        currency: str,
        lines: Sequence["OrderLine"],
    ) -> bool:
        """Apply a complete statement of the order, each aspect unless a newer one is known.

        Returns whether anything changed.
        """
        took_time = self._take_time(version, placed_at)
        took_content = self._take_content(version, currency, lines)
        return (took_time or took_content) and self._restated()

    def cancel(self, *, version: bytes, reason: str) -> bool:
        """Apply a cancellation, unless a newer one is known. The lines are kept. Returns whether it
        is applied."""
        if version <= self.cancel_version:
            return False
        self.cancel_version, self.cancel_reason = version, reason
        return self._restated()

    def set_money(self, *, paid: Decimal, refunded: Decimal) -> bool:
        """Save the sums of this order's payments and refunds. Returns whether they changed."""
        if (self.paid, self.refunded) == (paid, refunded):
            return False
        self.paid, self.refunded = paid, refunded
        self.save(update_fields=("paid", "refunded"))
        return True

    def _take_time(self, version: bytes, stated_at: dt.datetime | None) -> bool:
        """Take the time of the newest statement that has one, else that of the earliest event with
        content."""
        placed_at = stated_at or moment_of(version)
        if stated_at is not None and version > self.placed_version:
            self.placed_version = version
        elif self.placed_version or (self.placed_at and self.placed_at <= placed_at):
            return False
        self.placed_at, self.business_day = placed_at, self.store.business_day(placed_at)
        return True

    def _take_content(self, version: bytes, currency: str, lines: Sequence["OrderLine"]) -> bool:
        if version <= self.content_version:
            return False
        if self.new_lines is None:
            self.had_lines = bool(self.content_version)
        for position, line in enumerate(lines, start=1):
            line.order, line.position = self, position
        self.new_lines = lines
        self.content_version, self.currency = version, currency
        self.total = sum((line.amount for line in lines), Decimal(0))
        return True

    def _restated(self) -> bool:
        if self.cancel_version > self.content_version:
            self.state = OrderState.CANCELLED
        else:
            self.state = OrderState.PLACED
        return True


_STATED_FIELDS = (
    "state",
    "placed_at",
    "business_day",
    "currency",
    "total",
    "cancel_reason",
    "content_version",
    "placed_version",
    "cancel_version",
)
