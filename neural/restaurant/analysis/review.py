"""A review of eight weeks of a store for people, from its demand summaries."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from neural.models import Store
from neural.restaurant.analysis.summarising import WEEK, Comparison, Series, compare, monday_of
from neural.restaurant.models import DemandSummary
from neural.restaurant.models.demand import DemandSummaryQuerySet

WEEKS = 8


@dataclass(frozen=True)
class SalesDay:
    """All that the store sold on a day. ``quantity`` is None if nothing is known of the day."""

    day: dt.date
    quantity: Decimal | None
    unusual: Sequence[DemandSummary]


@dataclass(frozen=True)
class Week:
    """All that the store sold in a week. Best sellers are known when it has ended."""

    monday: dt.date
    quantity: Decimal
    days: int
    compared: Comparison
    best_sellers: Sequence[DemandSummary]


@dataclass(frozen=True)
class Review:
    """Eight weeks: days in order, weeks newest first, unusual dishes newest first."""

    days: Sequence[SalesDay]
    weeks: Sequence[Week]
    unusual: Sequence[DemandSummary]
    older: dt.date | None
    newer: dt.date | None
    """A day in the eight weeks before, and one in those after; None if there are none."""


def review(*, store: Store, until: dt.date | None = None) -> Review | None:
    """The eight weeks that end with the week of ``until``, by default with the last one known.

    None if nothing is known up to then.
    """
    summaries = DemandSummary.objects.filter(store=store)
    last = _last_day(summaries, until)
    if last is None:
        return None
    end = monday_of(last) + WEEK
    first = end - WEEKS * WEEK
    days = summaries.days()
    totals = _totals(days.between(first - WEEK, end))
    unusual = list(days.unusual().between(first, end).order_by("-starts_on", "rank", "pk"))
    return Review(
        days=_days(first, end, totals, unusual),
        weeks=_weeks(first, end, totals, summaries),
        unusual=unusual,
        older=_last_day(summaries, first - dt.timedelta(days=1)),
        newer=_next_page(days, end),
    )


def _last_day(summaries: DemandSummaryQuerySet, until: dt.date | None) -> dt.date | None:
    days = summaries.days()
    found = days.filter(starts_on__lte=until) if until else days
    return found.order_by("-starts_on").values_list("starts_on", flat=True).first()


def _next_page(days: DemandSummaryQuerySet, end: dt.date) -> dt.date | None:
    """The last day of the following eight weeks, so that no week is shown twice."""
    if not days.filter(starts_on__gte=end).exists():
        return None
    return end + WEEKS * WEEK - dt.timedelta(days=1)


def _totals(days: DemandSummaryQuerySet) -> Series:
    totals: dict[dt.date, Decimal] = defaultdict(Decimal)
    for day, quantity in days.values_list("starts_on", "quantity"):
        totals[day] += quantity
    return totals


def _days(
    first: dt.date, end: dt.date, totals: Series, unusual: Sequence[DemandSummary]
) -> Sequence[SalesDay]:
    found: dict[dt.date, list[DemandSummary]] = defaultdict(list)
    for each in unusual:
        found[each.starts_on].append(each)
    days = (first + dt.timedelta(days=number) for number in range((end - first).days))
    return [SalesDay(day, totals.get(day), found.get(day, [])) for day in days]


def _weeks(
    first: dt.date, end: dt.date, totals: Series, summaries: DemandSummaryQuerySet
) -> Sequence[Week]:
    best: dict[dt.date, list[DemandSummary]] = defaultdict(list)
    for each in summaries.weeks().best_sellers().between(first, end).order_by("rank", "dish"):
        best[each.starts_on].append(each)
    mondays = (end - WEEK * number for number in range(1, WEEKS + 1))
    weeks = (_week(monday, totals, best.get(monday, [])) for monday in mondays)
    return [week for week in weeks if week.days]


def _week(monday: dt.date, totals: Series, best_sellers: Sequence[DemandSummary]) -> Week:
    these = {day: quantity for day, quantity in totals.items() if monday_of(day) == monday}
    quantity = sum(these.values(), Decimal(0))
    return Week(monday, quantity, len(these), compare(these, totals), best_sellers)
