"""On which days dishes were sold out: reads the rows from which it is computed."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.db.models import Max, Min

from neural.models import Store
from neural.restaurant.models import Availability, DailyDemand, Order, OrderState
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
