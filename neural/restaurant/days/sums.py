"""The sums of stores' business days, and their tax by rate, by SQL. Each query reads the rows of
its days along an index that begins with store and business day."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import (
    Case,
    Count,
    DecimalField,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, ExtractHour, NullIf

from neural.ledger import dialects
from neural.models import Store
from neural.restaurant.days.figures import Counts, Figures, Money, Sales, Tender
from neural.restaurant.models import (
    Order,
    OrderState,
    OrderStatus,
    Payment,
    PaymentKind,
    RefundKind,
)
from neural.restaurant.models.amounts import rounded

Day = tuple[str, dt.date]
"""A store's code and a business day."""
Tills = dict[tuple[str, str], Figures]
"""The figures of a day by till and currency."""

_COLUMNS = {
    **{
        name: name
        for name in ("items", "line_discounts", "charges", "tax", "tax_included", "rounding")
    },
    **{name: name for name in ("difference", "total", "deferred", "returned", "commission")},
    **{name: name for name in ("platform_discounts", "platform_charges")},
    "bill_discounts": "discounts",
}
"""The sums of sales, and the order's columns that they add up."""


def tills_of(days: Collection[Day]) -> dict[Day, Tills]:
    """The figures of these days, each by till and currency."""
    found: defaultdict[Day, dict[tuple[str, str], Figures]] = defaultdict(dict)
    for key, sales in _sales(_orders(days), "store", "business_day", "till", "currency"):
        _add(found, key, Figures(sales=sales))
    for key, money in _money(days):
        _add(found, key, Figures(money=money))
    return dict(found)


def channels_of(day: Day) -> dict[str, list[tuple[str, str, Sales]]]:
    """The sales of a day by currency: channel, platform and sums, the largest total first."""
    found: defaultdict[str, list[tuple[str, str, Sales]]] = defaultdict(list)
    for (currency, channel, platform), sales in _sales(
        _orders([day]), "currency", "channel", "platform"
    ):
        found[currency].append((channel, platform, sales))
    return {name: sorted(rows, key=_largest_first) for name, rows in found.items()}


def _largest_first(row: tuple[str, str, Sales]) -> Any:
    return (-row[2].total, row[0], row[1])


def hours_of(store: Store, day: dt.date) -> dict[str, dict[int, tuple[int, Decimal]]]:
    """Orders and totals of a day by currency and hour of the store's own time: the hour for which
    an order is promised, else that in which it was placed."""
    found: defaultdict[str, dict[int, tuple[int, Decimal]]] = defaultdict(dict)
    moment = Coalesce("promised_at", "placed_at")
    hours = _orders([(store.pk, day)]).annotate(hour=ExtractHour(moment, tzinfo=store.zone))
    for currency, hour, count, total in hours.values_list("currency", "hour").annotate(
        Count("pk"), Sum("total")
    ):
        found[currency][hour] = (count, rounded(total))
    return dict(found)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is still owed for orders of a day, and what was paid too much for others of it, on
    whatever day they were paid."""

    owed: Decimal = Decimal(0)
    overpaid: Decimal = Decimal(0)


def balances_of(day: Day) -> dict[str, Balance]:
    """The balance of a day by currency, with orders that count nowhere. Expected ones are left out:
    nobody knows yet what they cost."""
    store, date = day
    counted = Case(When(state=OrderState.PLACED, then=F("total")), default=Decimal(0))
    due = counted - F("paid") + F("refunded") - F("returned")
    orders = Order.objects.unsettled().filter(store=store, business_day=date)
    rows = (
        orders.exclude(state=OrderState.EXPECTED)
        .alias(due=ExpressionWrapper(due, DecimalField()))
        .values_list("currency")
        .annotate(
            owed=Sum("due", filter=Q(due__gt=0), default=Decimal(0)),
            overpaid=-Sum("due", filter=Q(due__lt=0), default=Decimal(0)),
        )
    )
    return {currency: Balance(rounded(owed), rounded(over)) for currency, owed, over in rows}


def counts_of(day: Day) -> Counts:
    """How many orders of each kind a day has."""
    store, date = day
    nowhere = Q(state=OrderState.CANCELLED)
    others = (OrderStatus.VOIDED, OrderStatus.REJECTED, OrderStatus.MERGED)
    kinds = {
        "placed": Q(state=OrderState.PLACED),
        "cancelled": nowhere & ~Q(status__in=others),
        **{str(status): nowhere & Q(status=status) for status in others},
        "expected": Q(state=OrderState.EXPECTED),
        "unsettled": Q(unsettled=True),
        "not_adding_up": Q(adds_up=False),
        "given_twice": Q(given_twice=True),
        "late_change": Q(late_change=True),
    }
    orders = Order.objects.filter(store=store, business_day=date)
    return Counts(
        **orders.aggregate(**{name: Count("pk", filter=kind) for name, kind in kinds.items()})
    )


def _on(days: Collection[Day]) -> Q:
    return reduce(or_, (Q(store=store, business_day=day) for store, day in days))


def _orders(days: Collection[Day]) -> Any:
    """The orders of these days that count."""
    return Order.objects.filter(_on(days), state=OrderState.PLACED)


def _sales(orders: Any, *by: str) -> Iterable[tuple[tuple[Any, ...], Sales]]:
    """The sales of orders, grouped by these columns."""
    sums = {f"sum_{name}": Sum(column) for name, column in _COLUMNS.items()}
    known = Q(guests__gt=0)
    rows = orders.values(*by).annotate(
        count=Count("pk"),
        all_guests=Sum("guests", default=0),
        with_guests=Sum(F("total") - F("deferred"), filter=known, default=Decimal(0)),
        **sums,
    )
    for row in rows:
        yield (
            tuple(row[name] for name in by),
            Sales(
                orders=row["count"],
                guests=row["all_guests"],
                with_guests=rounded(row["with_guests"]),
                **{name: rounded(row[f"sum_{name}"]) for name in _COLUMNS},
            ),
        )


def _money(days: Collection[Day]) -> Iterable[tuple[tuple[Any, ...], Money]]:
    """The completed payments and refunds of these days, by the till and, where they state none, by
    the currency of their orders."""
    paid = Payment.objects.filter(order=OuterRef("order"), kind=PaymentKind.PAYMENT)
    own = paid.filter(reference=OuterRef("refund_of")).values("tender")[:1]
    only = paid.counting().exclude(tender="").values("order")
    only = only.alias(tenders=Count("tender", distinct=True)).filter(tenders=1)
    rows = (
        Payment.objects.counting()
        .filter(_on(days))
        .annotate(
            in_currency=Coalesce(NullIf("currency", Value("")), "order__currency"),
            by_tender=Coalesce(
                NullIf("tender", Value("")),
                NullIf(Subquery(own), Value("")),
                Case(When(kind=PaymentKind.REFUND, then=Subquery(only.values(of=Max("tender"))))),
                Value(""),
            ),
        )
        .values_list(
            "store",
            "business_day",
            "order__till",
            "in_currency",
            "by_tender",
            "kind",
            "refund_kind",
            "order__state",
        )
        .annotate(Count("pk"), Sum("amount"), Sum("tip"))
    )
    for *key, tender, kind, refund_kind, state, count, amount, tip in rows:
        returns = refund_kind == RefundKind.RETURN and state == OrderState.PLACED
        is_refund = kind == PaymentKind.REFUND
        yield tuple(key), _moved(tender, is_refund, returns, count, rounded(amount), rounded(tip))


def _moved(
    tender: str, is_refund: bool, returns: bool, count: int, amount: Decimal, tip: Decimal
) -> Money:
    if not is_refund:
        return Money(tenders={tender: Tender(payments=count, paid=amount, tips=tip)})
    refunded = {tender: Tender(refunds=count, refunded=amount, tips=-tip)}
    if returns:
        return Money(tenders=refunded, returned=amount)
    return Money(tenders=refunded, reversed=amount)


def _add(found: Any, key: tuple[Any, ...], figures: Figures) -> None:
    store, day, till, currency = key
    tills = found[store, day]
    tills[till, currency] = tills.get((till, currency), Figures()) + figures


@dataclass(frozen=True, slots=True)
class TaxOfRate:
    """The tax of one rate; ``rate`` is in per cent, and None where bills state none."""

    rate: Decimal | None
    added: Decimal = Decimal(0)
    included: Decimal = Decimal(0)


def taxes_of(day: Day) -> dict[str, list[TaxOfRate]]:
    """The tax of a day by currency and rate."""
    sums: defaultdict[tuple[str, Decimal | None], list[Decimal]] = defaultdict(
        lambda: [Decimal(0), Decimal(0)]
    )
    for currency, rate, included, amount in _tax_rows(day):
        place = str(included) in ("1", "true", "True")
        sums[currency, _rate(rate)][place] += rounded(Decimal(str(amount)))
    found: defaultdict[str, list[TaxOfRate]] = defaultdict(list)
    for (currency, rate), (added, inside) in sorted(sums.items(), key=_by_rate):
        found[currency].append(TaxOfRate(rate, added, inside))
    return dict(found)


def _rate(stated: Any) -> Decimal | None:
    """A rate as a number, so that 6, 6.0 and 6.00 are one."""
    return None if stated is None else Decimal(str(stated)).normalize()


def _by_rate(item: tuple[tuple[str, Decimal | None], Any]) -> Any:
    (currency, rate), _ = item
    return (currency, rate is None, rate or 0)


def _tax_rows(day: Day) -> Iterable[Sequence[Any]]:
    entries = dialects.ledger_dialect().join_elements("placed.bill", "entry")
    sql = f"""
    SELECT placed.currency, entry.value->>'rate', entry.value->>'included',
           SUM(CAST(entry.value->>'amount' AS numeric))
    FROM neural_order AS placed {entries}
    WHERE placed.store_id = %s AND placed.business_day = %s AND placed.state = 'placed'
      AND entry.value->>'kind' = 'tax'
    GROUP BY placed.currency, entry.value->>'rate', entry.value->>'included'
    """
    store, date = day
    with dialects.preparing_cursor() as cursor:
        cursor.execute(sql, [store, date.isoformat()])
        return list(cursor.fetchall())
