"""The source of sales for forecasting: daily demand, and on which days dishes were
discounted or sold out."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count, Exists, F, FloatField, Max, Min, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Cast, Coalesce, NullIf

from neural.events.submit import submit
from neural.forecasting.sources import SoldRow, register_demand_source
from neural.models import Store
from neural.restaurant.models import (
    Availability,
    DailyDemand,
    LineRole,
    LineState,
    Order,
    OrderLine,
    OrderState,
    SalesReport,
)
from neural.restaurant.models.newest import moment_of
from neural.restaurant.sold_out import Report, Span, periods, sold_out_shares

LONGEST = dt.timedelta(days=28)
"""A dish of which nothing was reported for so long is off the menu, not sold out."""
SHORTEST_DAY = dt.timedelta(hours=1)
"""Orders within less time do not show when a store was open."""


def sold_out_days(
    store: Store, *, first: dt.date, until: dt.date
) -> Mapping[dt.date, Mapping[str, float]]:
    """By day from ``first`` to before ``until``: the share of the day's open hours in which each
    dish was sold out, where it is not 0."""
    reports = _reports(store, first, until)
    if not reports:
        return {}
    begins = min(report.at for some in reports.values() for report in some)
    first = max(first, store.business_day(begins))
    opened = _open_hours(store, first, until)
    sold_on = _sold_on(store, reports, first, until)
    found: defaultdict[dt.date, dict[str, float]] = defaultdict(dict)
    for dish, some in reports.items():
        spans = periods(some, end=_begin(store, until))
        for day, share in sold_out_shares(spans, opened, sold_on=sold_on[dish]).items():
            found[day][dish] = share
    return found


def _reports(store: Store, first: dt.date, until: dt.date) -> Mapping[str, list[Report]]:
    """The reports by dish, also those of before from which a period may last."""
    since = _begin(store, first) - LONGEST
    rows = Availability.objects.filter(store=store, at__gte=since, at__lt=_begin(store, until))
    found: defaultdict[str, list[Report]] = defaultdict(list)
    for dish, version, at, sold_out, ends in rows.values_list(
        "dish", "version", "at", "sold_out", "until"
    ):
        # One that nobody takes back is the end of the dish.
        ends = min(ends or at + LONGEST, at + LONGEST)
        found[dish].append(Report(bytes(version), at, sold_out, ends))
    return found


def _begin(store: Store, day: dt.date) -> dt.datetime:
    """When a business day begins."""
    return store.localize(dt.datetime.combine(day, store.day_ends_at))


def _open_hours(store: Store, first: dt.date, until: dt.date) -> Mapping[dt.date, Span]:
    """From the first order of each day to the last; the whole day where orders do not show it."""
    days = [first + dt.timedelta(days=each) for each in range((until - first).days)]
    whole = {day: (_begin(store, day), _begin(store, day + dt.timedelta(days=1))) for day in days}
    placed = Order.objects.filter(store=store, business_day__gte=first, business_day__lt=until)
    rows = placed.filter(state=OrderState.PLACED).values_list("business_day")
    for day, opens, closes in rows.annotate(Min("placed_at"), Max("placed_at")):
        opens, closes = max(opens, whole[day][0]), min(closes, whole[day][1])
        if closes - opens >= SHORTEST_DAY:
            whole[day] = (opens, closes)
    return whole


def _sold_on(
    store: Store, dishes: Iterable[str], first: dt.date, until: dt.date
) -> Mapping[str, frozenset[dt.date]]:
    """The days on which each of these dishes sold."""
    sold = DailyDemand.objects.filter(
        store=store, day__gte=first, day__lt=until, dish__in=list(dishes), quantity__gt=0
    )
    found: defaultdict[str, set[dt.date]] = defaultdict(set)
    for dish, day in sold.values_list("dish", "day"):
        found[dish].add(day)
    return defaultdict(frozenset, {dish: frozenset(days) for dish, days in found.items()})


LEAST_SHARE = 0.01
"""A smaller share is a coupon here and there, and no promotion."""
_DISCOUNTED = Q(order__discounts__gt=0) | Q(order__line_discounts__gt=0)
_NO_DISH = (LineRole.MODIFIER, LineRole.DEFERRED)


def discounted_days(
    store: Store, *, first: dt.date, until: dt.date
) -> Mapping[dt.date, Mapping[str, float]]:
    """By day from ``first`` to before ``until``: the share of each dish's revenue before discounts
    that discounts and coupons took, from :data:`LEAST_SHARE` on. A discount of a whole order is
    spread over its lines by their amounts."""
    taken = _taken(store, first, until)
    if not taken:
        return {}
    days = {day for day, _ in taken}
    rows = DailyDemand.objects.filter(store=store, day__gte=min(days), day__lte=max(days))
    found: defaultdict[dt.date, dict[str, float]] = defaultdict(dict)
    revenues = rows.annotate(sold=Cast("ordered_revenue", FloatField()))
    for day, dish, revenue in revenues.values_list("day", "dish", "sold"):
        of_lines, of_orders = taken.get((day, dish), (0.0, 0.0))
        # Revenue is what lines cost after their own discounts.
        before = (revenue or 0.0) + of_lines
        share = (of_lines + of_orders) / before if before > 0 else 0.0
        if share >= LEAST_SHARE:
            found[day][dish] = min(share, 1.0)
    return found


def _taken(
    store: Store, first: dt.date, until: dt.date
) -> Mapping[tuple[dt.date, str], tuple[float, float]]:
    """By day and dish: what discounts of lines took, and what those of whole orders did."""
    lines = OrderLine.objects.filter(
        _DISCOUNTED,
        order__store=store,
        order__business_day__gte=first,
        order__business_day__lt=until,
        order__state=OrderState.PLACED,
        state=LineState.SOLD,
    ).exclude(role__in=_NO_DISH)
    amount, discounts, items = (
        Cast(name, FloatField()) for name in ("amount", "order__discounts", "order__items")
    )
    rows = (
        lines.order_by()
        .values_list("order__business_day", "dish")
        .annotate(
            of_lines=Sum(Cast(F("discount"), FloatField())),
            of_orders=Coalesce(Sum(amount * discounts / NullIf(items, 0.0)), 0.0),
        )
    )
    return {(day, dish): (of_lines, of_orders) for day, dish, of_lines, of_orders in rows}


_NEXT = dt.timedelta(microseconds=1)
_OF_EVENTS = ("sold_out", "discounted")


class DailySales:
    """A :class:`~neural.forecasting.sources.DemandSource` of the app's own rows."""

    def sales(self, store: Store, *, first: dt.date, until: dt.date) -> Iterable[SoldRow]:
        """Rows of daily demand from ``first`` to before ``until``."""
        found = DailyDemand.objects.filter(store=store, day__gte=first, day__lt=until)
        # As floats, because reading each Decimal would cost more than all the rest.
        amount = Cast("quantity", FloatField())
        rows = found.annotate(amount=amount).values_list("day", "dish", "name", "amount")
        return rows.order_by("day", "dish")

    def reports(
        self, store: Store, *, first: dt.date, until: dt.date
    ) -> Iterable[tuple[dt.date, Any]]:
        """What events say was sold out or discounted, and the contexts of sales reports (all but
        their lines), by day, in the order of their versions."""
        sold_out = sold_out_days(store, first=first, until=until)
        discounted = discounted_days(store, first=first, until=until)
        for day in sold_out.keys() | discounted.keys():
            yield day, {"sold_out": sold_out.get(day, {}), "discounted": discounted.get(day, {})}
        reports = SalesReport.objects.filter(store=store, day__gte=first, day__lt=until)
        rows = reports.exclude(context={}).order_by("version")
        for day, context in rows.values_list("day", "context"):
            yield day, _without_facts_of_events(context)

    def confirm(self, store: Store, *, day: dt.date, dish: str, by: str) -> None:
        """Submit the day's report again, with the dish among its ``confirmed``. Without a report,
        one without lines leaves the sums of orders as they are. A correction that was sent
        meanwhile is newer."""
        report = SalesReport.objects.filter(store=store, day=day).first()
        context = report.context if report else {}
        known = context.get("confirmed")
        confirmed = {*(known if isinstance(known, list) else ()), dish}
        stated = {"day": day.isoformat(), "lines": report.lines if report else []}
        submit(
            type="sales.reported",
            store=store.pk,
            source="console",
            event_id=f"confirmed/{uuid.uuid4()}",
            payload={**context, **stated, "confirmed": sorted(map(str, confirmed))},
            occurred_at=moment_of(report.version) + _NEXT if report else None,
            requested_by=by,
        ).or_raise()

    def selling_stores(
        self, *, first: dt.date, last: dt.date, least_days: int = 1
    ) -> QuerySet[Any, Any]:
        """The codes of stores that sold on enough days; repeated if ``least_days`` is 1."""
        sold = DailyDemand.objects.filter(day__gte=first, day__lte=last, quantity__gt=0)
        stores = sold.values("store")
        if least_days == 1:
            return stores
        known = stores.annotate(days=Count("day", distinct=True))
        return known.filter(days__gte=least_days).values("store")

    def ever_sold(self) -> Exists:
        """The condition that a store has any row of daily demand."""
        return Exists(DailyDemand.objects.filter(store=OuterRef("pk")))

    def last_day_of(self, store: Store) -> dt.date | None:
        """The last day on which the store sold something."""
        demand = DailyDemand.objects.filter(store=store, quantity__gt=0)
        return demand.order_by("-day").values_list("day", flat=True).first()

    def last_days(self) -> Iterable[dt.date]:
        """The last day of sales of each store, newest first."""
        sold = DailyDemand.objects.filter(quantity__gt=0).values("store")
        return sold.annotate(last=Max("day")).values_list("last", flat=True).order_by("-last")


def _without_facts_of_events(context: Any) -> Any:
    """A report's context without the names that stand for what events say. A report may use them
    for something of its own."""
    if isinstance(context, dict):
        return {
            name: _without_facts_of_events(value)
            for name, value in context.items()
            if name not in _OF_EVENTS
        }
    if isinstance(context, list):
        return [_without_facts_of_events(each) for each in context]
    return context


register_demand_source(DailySales())
