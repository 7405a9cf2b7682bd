"""Orders, each aspect as its newest event states it."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.models.store import Store
from neural.restaurant.bill import Sums
from neural.restaurant.keys import KEY_LENGTH, day_of, number_of, till_of
from neural.restaurant.models.amounts import digits_of, rounded, text_field, total_field
from neural.restaurant.models.claims import claim, contradict, with_claims
from neural.restaurant.models.newest import NewestQuerySet, event_of, moment_of, version_field
from neural.restaurant.models.order_status import (
    COUNTS_NOWHERE,
    LATE_CHANGE,
    Channel,
    Delivery,
    OrderState,
    OrderStatus,
    Step,
    delivery_with,
    with_step,
)
from neural.restaurant.models.rows import update


class OrderQuerySet(NewestQuerySet["Order"]):
    def pk_of(self, *, store: Store, key: str) -> int:
        """The primary key of this order. A new order is created as an expected one."""
        found = self.filter(store=store, key=key).values_list("pk", flat=True)
        for pk in found:
            return pk
        self.insert_if_absent(key={"key": key, "store": store}, values=_of_key(key))
        return found.get()

    def lock(self, keys: Iterable[tuple[str, str]]) -> list["Order"]:
        """The orders of these keys and stores, created if missing, locked until the transaction
        ends."""
        orders: list[Order] = self.lock_or_create_many(keys, key=("key", "store"))
        for order in orders:
            order.as_locked = {**order.__dict__}
        return orders

    def keep(self, orders: Sequence["Order"]) -> None:
        """Save locked orders that were restated or whose status changed, without their lines."""
        changed = {name for order in orders for name in order.changed_columns()}
        update(orders, sorted(changed))

    def apart(self) -> "OrderQuerySet":
        """Orders of which only payments, refunds or statuses are known: either their own events are
        still missing, or these name another order than was meant."""
        return self.filter(state=OrderState.EXPECTED)

    def remove_unknown(self, orders: Iterable[int]) -> None:
        """Remove those of these expected orders of which nothing but the number is known."""
        if numbers := list(orders):
            aspects = ("status", "settlement", "delivery", "content")
            nothing = {f"{name}_version": b"" for name in aspects}
            expected = self.filter(pk__in=numbers, state=OrderState.EXPECTED, **nothing)
            expected.filter(payments=None).delete()

    def unsettled(self) -> "OrderQuerySet":
        """Orders for which something is owed, too much was paid, or more was given back than was
        paid, and those whose money has digits that their currency lacks."""
        return self.filter(unsettled=True)

    def not_adding_up(self) -> "OrderQuerySet":
        """Orders whose stated total is not what their parts add up to."""
        return self.filter(adds_up=False)

    def changed_late(self) -> "OrderQuerySet":
        """Orders whose content changed long after they were closed."""
        return self.filter(late_change=True)

    def given_twice(self) -> "OrderQuerySet":
        """Orders whose statements speak of two orders: their number was given twice."""
        return self.filter(given_twice=True)

    def displayed_as(self, status: str) -> "OrderQuerySet":
        """Orders with this :attr:`Order.display_status`."""
        cancelled, own = Q(state=OrderState.CANCELLED), Q(status=status)
        if status in COUNTS_NOWHERE:
            if status == OrderStatus.CANCELLED:
                own |= ~Q(status__in=COUNTS_NOWHERE)
            return self.filter(cancelled & own)
        if status == OrderStatus.OPEN:
            own |= Q(state=OrderState.PLACED, status__in=("", *COUNTS_NOWHERE))
        return self.filter(~cancelled & own)

    def referring_to(self, order: "Order") -> "OrderQuerySet":
        """Orders of the same store that were split from this one, replace it or were merged into
        it. Only those of the same and the next business day are looked at, which an index has."""
        if order.business_day is None:
            return self.none()
        next_day = order.business_day + dt.timedelta(days=1)
        names = Q(split_from=order.key) | Q(replaces=order.key) | Q(merged_into=order.key)
        return self.filter(
            names, store=order.store, business_day__range=(order.business_day, next_day)
        )


def _of_key(key: str) -> dict[str, Any]:
    """What an order's key says of it."""
    return {"number": number_of(key), "till": till_of(key), "business_day": day_of(key)}


def _sum_field(label: Any, **options: Any) -> models.DecimalField:
    return total_field(label, default=Decimal(0), db_default=Decimal(0), **options)


def _json_field(label: Any, default: type[list] | type[dict] = list) -> models.JSONField:
    return models.JSONField(
        label,
        default=default,
        db_default=models.Value(default(), models.JSONField()),
        blank=True,
        encoder=DjangoJSONEncoder,
    )


class LastPart(models.Transform):
    """Of a key, what follows its last slash: the order's id, or all of a key without one."""

    lookup_name = "last_part"
    output_field = models.CharField()
    template = (
        "SUBSTR(%(expressions)s,"
        " LENGTH(RTRIM(%(expressions)s, REPLACE(%(expressions)s, '/', ''))) + 1)"
    )


class Order(models.Model):
    """A guest's order.

    Five aspects have a version each: its content (all that a statement of the whole order says),
    its time and its day, its status, its settlement, and its delivery. A statement without a status
    says that the order stands. An order that counts nowhere keeps its lines. An order of which only
    a payment, a status or a delivery is known is expected.
    """

    store = models.ForeignKey(
        Store, models.PROTECT, verbose_name=_("store"), related_name="orders", db_index=False
    )
    # The column had this name before a number could begin again.
    key = models.CharField(
        _("key"),
        max_length=KEY_LENGTH,
        db_column="number",
        help_text=_("Made of till, business day and number, as far as they are stated."),
    )
    number = text_field(_("order number"), db_column="ticket")
    till = text_field(_("till"), 60)
    state = models.CharField(
        _("state"),
        max_length=9,
        choices=OrderState.choices,
        default=OrderState.EXPECTED,
        db_default=OrderState.EXPECTED,
    )
    status = text_field(_("status"), 10, choices=OrderStatus.choices)
    progress = _json_field(_("statuses so far"))
    first_closed_at = models.DateTimeField(_("first closed at"), null=True, blank=True)
    late_change = models.BooleanField(
        _("changed long after closing"), default=False, db_default=False
    )
    claims = _json_field(_("contradicting statements"))
    given_twice = models.BooleanField(_("number given twice"), default=False, db_default=False)

    placed_at = models.DateTimeField(_("placed at"), null=True, blank=True)
    promised_at = models.DateTimeField(_("promised for"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    business_day = models.DateField(_("business day"), null=True, blank=True)

    channel = text_field(_("channel"), 10, choices=Channel.choices)
    platform = text_field(_("platform"))
    platform_number = text_field(_("platform's number"))
    table = text_field(pgettext_lazy("restaurant", "table"))
    guests = models.PositiveIntegerField(_("guests"), null=True, blank=True)
    member = text_field(_("member"))
    staff = text_field(_("staff"))
    invoice = text_field(_("invoice"))
    note = text_field(_("note"), 500)
    phone_last4 = text_field(_("last digits of the phone"), 4)
    split_from = text_field(_("split from"), KEY_LENGTH)
    replaces = text_field(_("replaces"), KEY_LENGTH)
    merged_into = text_field(_("merged into"), KEY_LENGTH)

    currency = text_field(_("currency"), 3)
    bill = _json_field(_("bill"))
    items = _sum_field(_("lines"))
    line_discounts = _sum_field(_("discounts of lines"))
    exchanged = _sum_field(_("taken back above the bill"))
    deferred = _sum_field(_("top-ups"))
    discounts = _sum_field(_("discounts"))
    charges = _sum_field(_("charges"))
    tax = _sum_field(_("added tax"))
    tax_included = _sum_field(_("included tax"))
    rounding = _sum_field(_("rounding"))
    platform_discounts = _sum_field(_("discounts that the platform bears"))
    platform_charges = _sum_field(_("charges that the platform keeps"))
    total = _sum_field(_("total"))
    difference = _sum_field(_("difference to its parts"))
    adds_up = models.BooleanField(_("adds up"), default=True, db_default=True)
    paid = _sum_field(_("paid"))
    refunded = _sum_field(_("refunded"))
    returned = _sum_field(_("returned"))
    tips = _sum_field(_("tips"))
    unsettled = models.BooleanField(_("unsettled"), default=False, db_default=False)
    commission = _sum_field(_("commission"))
    fees = _sum_field(_("fees"))
    payout = total_field(_("payout"), null=True, blank=True)
    payout_is_final = models.BooleanField(_("payout is final"), default=False, db_default=False)

    delivery = _json_field(_("delivery"), dict)

    cancel_reason = text_field(_("reason of the cancellation"), 500)
    content_version = version_field(_("version of the content"))
    placed_version = version_field(_("version of the time"))
    day_version = version_field(_("version of the day"))
    status_version = version_field(_("version of the status"))
    cancel_version = version_field(_("version of the cancellation"))
    settlement_version = version_field(_("version of the settlement"))
    delivery_version = version_field(_("version of the delivery"))

    objects = OrderQuerySet.as_manager()

    class Meta:
        db_table = "neural_order"
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = (
            # The key comes first, so that the index also serves a search by key.
            models.UniqueConstraint(fields=("key", "store"), name="neural_order_identity"),
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
            # For a search by the number that people see; the newest of many is found first.
            models.Index(fields=("number", "-id"), name="neural_order_by_number"),
            # The same for the id that events have, where a till shows another number.
            models.Index(LastPart("key"), models.F("id").desc(), name="neural_order_by_id"),
            # The same for the number that a delivery platform gave.
            models.Index(fields=("platform_number", "-id"), name="neural_order_by_platform"),
            # For the orders from which a payment may have moved.
            models.Index(
                fields=("store", "merged_into"),
                condition=~Q(merged_into=""),
                name="neural_order_merged_into",
            ),
            # For the lists of orders that a person should look at. They stay small.
            models.Index(
                fields=("store", "-id"),
                condition=Q(unsettled=True),
                name="neural_order_unsettled",
            ),
            models.Index(
                fields=("store", "-id"),
                condition=Q(adds_up=False),
                name="neural_order_not_adding_up",
            ),
            models.Index(
                fields=("store", "-id"),
                condition=Q(given_twice=True),
                name="neural_order_given_twice",
            ),
        )

    def __str__(self) -> str:
        return self.number or number_of(self.key)

    @property
    def counted(self) -> Decimal:
        """The total, or 0 for an order that counts nowhere."""
        return self.total if self.state == OrderState.PLACED else Decimal(0)

    @property
    def balance(self) -> Decimal:
        """What the guest still owes; negative if too much was paid. A return does not make the
        guest owe it again."""
        return self.counted - self.paid + self.reversed

    @property
    def reversed(self) -> Decimal:
        """Refunds that undo payments."""
        return self.refunded - self.returned

    @property
    def overreturned(self) -> Decimal:
        """What was given back above what was paid with its tips, and above goods that were taken
        back in exchange; 0 if it is no more."""
        return max(Decimal(0), self.refunded - self.paid - self.tips - self.exchanged)

    @property
    def has_odd_digits(self) -> bool:
        """Whether its money has digits that its currency lacks, as a platform may push it."""
        digits, amounts = digits_of(self.currency), (self.counted, self.paid, self.refunded)
        return any(amount != rounded(amount, digits) for amount in amounts)

    @property
    def net(self) -> Decimal:
        """What was sold in the end."""
        return self.counted - self.returned

    @property
    def expected_payout(self) -> Decimal:
        """What a platform owes the store for this order, by its bill and its commission."""
        kept = self.platform_charges + self.commission + self.fees
        return self.counted + self.platform_discounts - kept

    @property
    def display_status(self) -> str:
        """The status; that of an order whose till states none follows from its state."""
        if self.state == OrderState.CANCELLED:
            return self.status if self.status in COUNTS_NOWHERE else OrderStatus.CANCELLED
        if self.status in COUNTS_NOWHERE or not self.status:
            return OrderStatus.OPEN if self.state == OrderState.PLACED else ""
        return self.status

    @property
    def delivered(self) -> Delivery | None:
        """How far the order is on its way to the guest; None if nothing is known of a delivery."""
        return Delivery.of(self.delivery)

    @property
    def counted_day(self) -> dt.date | None:
        """The business day in whose demand this order counts; None if it does not count."""
        return self.business_day if self.state == OrderState.PLACED else None

    @property
    def survivor(self) -> str:
        """The key of the order into which this one is merged; empty if it is merged into none."""
        return self.merged_into if self.state == OrderState.CANCELLED else ""

    @property
    def cancelled_at(self) -> dt.datetime | None:
        """When the newest cancellation occurred; None if the order is not cancelled."""
        return moment_of(self.cancel_version) if self.state == OrderState.CANCELLED else None

    # Verbs. The caller holds the row's lock (Order.objects.lock). All but the last change
    # only the object; Order.objects.keep and OrderLine.objects.replace then save many at once.

    new_lines: Sequence[Mapping[str, Any]] | None = None
    had_lines = False
    as_locked: Mapping[str, Any] = {}
    """The values of all columns when the row was locked."""

    def changed_columns(self) -> list[str]:
        """The columns that have changed since the row was locked."""
        now = self.__dict__
        return [name for name, before in self.as_locked.items() if now[name] != before]

    def read_key(self) -> bool:
        """Fill what follows from the key of an order that is new. Returns whether it is."""
        if self.number:
            return False
        self.__dict__.update(_of_key(self.key))
        return True

    def restate(
        self,
        *,
        version: bytes,
        placed_at: dt.datetime | None,
        stated_day: dt.date | None = None,
        sums: Sums,
        lines: Sequence[Mapping[str, Any]],
        content: dict[str, Any],
    ) -> bool:
        """Apply a complete statement of the order, each aspect unless a newer one is known.
        ``content`` are values of the columns that the statement replaces as a whole.

        Returns whether anything changed.
        """
        contradicts = self._take_claims(version, placed_at)
        took_time = self._take_time(version, placed_at)
        took_day = self._take_day(version, stated_day)
        took_content = self._take_content(version, sums, lines, content)
        return (contradicts or took_time or took_day or took_content) and self._changed()

    def take_status(
        self, *, version: bytes, step: Step, closed_at: dt.datetime | None = None, into: str = ""
    ) -> bool:
        """Apply a status, unless a newer one is known; ``closed_at`` is stated with a closing one,
        ``into`` with a merge. The lines are kept. Returns whether anything changed."""
        before = {**self.__dict__}
        self.progress = with_step(self.progress, step)
        if closed_at is not None:
            self.first_closed_at = min(self.first_closed_at or closed_at, closed_at)
        if step["status"] in COUNTS_NOWHERE and version > self.cancel_version:
            self.cancel_version, self.cancel_reason = version, step["reason"]
        if version > self.status_version:
            self.status, self.status_version, self.merged_into = step["status"], version, into
        return before != self.__dict__ and self._changed()

    def expect_on(self, day: dt.date | None) -> None:
        """Place an order of which no content is known on the earliest day of its payments."""
        if not (self.placed_at or self.day_version or day_of(self.key)):
            self.business_day = day

    def settle(self, *, version: bytes, payout: Decimal, **values: Any) -> bool:
        """Apply what a platform pays out, unless a newer statement is known. Returns whether it is
        applied."""
        if version <= self.settlement_version:
            return False
        self.settlement_version, self.payout = version, payout
        self.__dict__.update(values)
        return True

    def take_delivery(self, *, version: bytes, **stated: Any) -> bool:
        """Apply a statement of the delivery (see :func:`delivery_with`); its status is kept also if
        a newer one is known. Returns whether anything changed."""
        before, is_newer = self.delivery, version > self.delivery_version
        self.delivery = delivery_with(self.delivery, is_newer=is_newer, **stated)
        if is_newer:
            self.delivery_version = version
        return is_newer or self.delivery != before

    def set_money(self, *, first_day: dt.date | None, **sums: Decimal) -> bool:
        """Take the sums of this order's payments and refunds, and their first day. Returns whether
        anything changed."""
        before = {**self.__dict__}
        self.__dict__.update(sums)
        self.expect_on(first_day)
        self._look_at_money()
        return before != self.__dict__

    def _take_claims(self, version: bytes, placed_at: dt.datetime | None) -> bool:
        """Keep when and by which source the order is said to be placed, once that differs. A key
        that names its till names its source."""
        before = self.claims
        if placed_at and self.placed_version and self.placed_at:
            self._claim("placed_at", version, self.placed_version, _utc(placed_at, self.placed_at))
        if self.content_version and not till_of(self.key):
            sources = (event_of(version)[1], event_of(bytes(self.content_version))[1])
            self._claim("source", version, self.content_version, sources)
        return self.claims != before

    def _claim(self, about: str, version: bytes, known: bytes, says: tuple[str, str]) -> None:
        if says[0] != says[1] or any(each["about"] == about for each in self.claims):
            new = (claim(about, says[0], version), claim(about, says[1], bytes(known)))
            self.claims = with_claims(self.claims, new)

    def _take_time(self, version: bytes, stated_at: dt.datetime | None) -> bool:
        """Take the time of the newest statement that has one, else that of the earliest event with
        content."""
        placed_at = stated_at or moment_of(version)
        if stated_at is not None and version > self.placed_version:
            self.placed_version = version
        elif self.placed_version or (self.placed_at and self.placed_at <= placed_at):
            return False
        self.placed_at = placed_at
        if not self.day_version:
            self.business_day = day_of(self.key) or self.store.business_day(placed_at)
        return True

    def _take_day(self, version: bytes, stated: dt.date | None) -> bool:
        """Take the day of the newest statement that has one; else it follows from the time."""
        if stated is None or version <= self.day_version:
            return False
        self.business_day, self.day_version = stated, version
        return True

    def _take_content(
        self,
        version: bytes,
        sums: Sums,
        lines: Sequence[Mapping[str, Any]],
        content: dict[str, Any],
    ) -> bool:
        if version <= self.content_version:
            return False
        if self.new_lines is None:
            self.had_lines = bool(self.content_version)
        self.new_lines = lines
        self.content_version = version
        self.__dict__.update(content)
        self.__dict__.update({name: getattr(sums, name) for name in _SUMS})
        self.adds_up = not sums.difference
        return True

    def _changed(self) -> bool:
        """Bring what follows from several aspects up to date. Returns True."""
        # No delivery platform takes a cancellation back, but one may tell of a state before it with
        # a later time.
        statuses = {step["status"] for step in self.progress} if self.platform else set()
        if OrderStatus.CANCELLED in statuses or (
            self.status in COUNTS_NOWHERE and self.status_version >= self.content_version
        ):
            self.state = OrderState.CANCELLED
        elif self.content_version:
            self.state = OrderState.PLACED
        else:
            self.state = OrderState.EXPECTED
        if self.first_closed_at and self.content_version:
            changed_at = moment_of(self.content_version)
            self.late_change = changed_at - self.first_closed_at > LATE_CHANGE
        if self.claims:
            closed = [each["at"] for each in self.progress if each["status"] == OrderStatus.CLOSED]
            closed_at = [dt.datetime.fromisoformat(at) for at in closed]
            self.given_twice = contradict(self.claims, closed_at)
        self._look_at_money()
        return True

    def _look_at_money(self) -> None:
        self.unsettled = bool(self.balance or self.overreturned) or self.has_odd_digits


def _utc(*moments: dt.datetime) -> Any:
    return tuple(moment.astimezone(dt.UTC).isoformat() for moment in moments)


Order._meta.get_field("key").register_lookup(LastPart)

MONEY_COLUMNS = ("paid", "refunded", "returned", "tips", "unsettled", "business_day")
"""The columns that follow from payments and refunds."""

MONEY_DEPENDS_ON = (
    *("store", "key", "state", "currency", "total", "exchanged"),
    *("placed_at", "day_version", "merged_into"),
)
"""What else of an order :meth:`Order.set_money` and its caller read."""

_SUMS = tuple(Sums.__dataclass_fields__)
