"""Demand summaries from a store's sales: changes, ranks and unusual days. Pure: no Django.

Days are business days as plain dates, so time zones and clock changes do not matter. An unknown day
has no entry: it is missing, not zero.
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from statistics import median

WEEK = dt.timedelta(days=7)
USUAL_WEEKS = 8
"""A day is compared with the same weekday of so many weeks before it."""
LEAST_HISTORY = 4
"""If fewer of those days are known, no day is called unusual."""
UNUSUAL_SCORE = 6.0
"""A day is unusual if it is at least so many median absolute deviations above or below the
usual."""

_SMALLEST = Decimal("0.001")

Series = Mapping[dt.date, Decimal]
"""Quantities by day."""


@dataclass(frozen=True)
class Comparison:
    """``change`` is a ratio: 0.25 is a quarter more. ``days`` is the number of days compared."""

    change: float | None
    days: int


@dataclass(frozen=True)
class Deviation:
    """How far a day was from the usual quantity. ``score`` is in median absolute deviations."""

    usual: Decimal
    score: float

    @property
    def is_unusual(self) -> bool:
        return abs(self.score) >= UNUSUAL_SCORE


def monday_of(day: dt.date) -> dt.date:
    """The first day of a day's week (ISO 8601)."""
    return day - dt.timedelta(days=day.weekday())


def compare(these: Series, before: Series) -> Comparison:
    """The change on the week before, based on the same days of both weeks.

    Only days that are known in both weeks count; otherwise a week with a closed day would seem to
    have sold less. The change is None if there is no such day, or if nothing was sold on these days
    before.
    """
    common = [day for day in these if day - WEEK in before]
    now = sum((these[day] for day in common), Decimal(0))
    then = sum((before[day - WEEK] for day in common), Decimal(0))
    change = float(now / then - 1) if then else None
    return Comparison(change, len(common))


def same_weekdays_before(day: dt.date, series: Series) -> Sequence[Decimal]:
    """The known quantities of the same weekday in the eight weeks before a day, newest first."""
    days = (day - WEEK * weeks for weeks in range(1, USUAL_WEEKS + 1))
    return [series[each] for each in days if each in series]


def deviation(quantity: Decimal, history: Sequence[Decimal]) -> Deviation | None:
    """How far a quantity is from its history; None if too little history is known.

    The score is (quantity - median) / MAD, where MAD is the median absolute deviation from the
    median (Hampel 1974; Iglewicz and Hoaglin 1993 on its use against outliers). A few unusual days
    in the history hardly affect either. One MAD counts as at least the square root of the median,
    and at least one portion: counts of that size vary so much by chance alone (Poisson), and eight
    days that happen to be alike prove nothing.
    """
    if len(history) < LEAST_HISTORY:
        return None
    middle = median(history)
    spread = float(median(abs(each - middle) for each in history))
    least = math.sqrt(max(float(middle), 1.0))
    usual = middle.quantize(_SMALLEST, rounding=ROUND_HALF_UP)
    return Deviation(usual, float(quantity - middle) / max(spread, least))


def ranks(quantities: Mapping[str, Decimal]) -> dict[str, int]:
    """Each dish's rank, 1 for the largest quantity. Equal dishes share a rank, and the next one is
    skipped."""
    places: dict[Decimal, int] = {}
    for place, quantity in enumerate(sorted(quantities.values(), reverse=True), start=1):
        places.setdefault(quantity, place)
    return {dish: places[quantity] for dish, quantity in quantities.items()}


DAY_PERIOD, WEEK_PERIOD = "day", "week"


@dataclass(frozen=True, slots=True)
class Sale:
    """What a store sold of one dish on one day. ``revenue`` is None if it is unknown."""

    day: dt.date
    dish: str
    name: str
    quantity: Decimal
    revenue: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One dish in one day or week. The fields are those of ``DemandSummary``."""

    period: str
    starts_on: dt.date
    dish: str
    name: str
    quantity: Decimal
    revenue: Decimal | None
    days: int
    rank: int
    previous_quantity: Decimal | None
    change: float | None
    days_compared: int
    usual_quantity: Decimal | None = None
    score: float | None = None
    unusual: bool = False


def summarise(sales: Iterable[Sale], *, first: dt.date, until: dt.date) -> list[Summary]:
    """Summaries of the days from ``first`` (a Monday) to before ``until``, and of the whole weeks
    among them.

    ``sales`` must also cover the eight weeks before ``first``, with which days and weeks are
    compared.
    """
    known = list(_without_closed_days(sales))
    of_dishes: dict[str, dict[dt.date, Decimal]] = defaultdict(dict)
    of_days: dict[dt.date, list[Sale]] = defaultdict(list)
    for sale in known:
        of_dishes[sale.dish][sale.day] = sale.quantity
        if first <= sale.day < until:
            of_days[sale.day].append(sale)
    return [*_days(of_days, of_dishes), *_weeks(of_days, of_dishes, first, until)]


def _without_closed_days(sales: Iterable[Sale]) -> Iterator[Sale]:
    """Leave out days on which nothing was sold at all, as some tills report a closed day as
    zeros."""
    of_days: dict[dt.date, list[Sale]] = defaultdict(list)
    for sale in sales:
        of_days[sale.day].append(sale)
    for day in sorted(of_days):
        if any(sale.quantity for sale in of_days[day]):
            yield from of_days[day]


def _days(
    of_days: Mapping[dt.date, Sequence[Sale]], of_dishes: Mapping[str, Series]
) -> Iterator[Summary]:
    for sales in of_days.values():
        places = ranks({sale.dish: sale.quantity for sale in sales})
        for sale in sales:
            yield _day(sale, of_dishes[sale.dish], places[sale.dish])


def _day(sale: Sale, series: Series, rank: int) -> Summary:
    compared = compare({sale.day: sale.quantity}, series)
    found = deviation(sale.quantity, same_weekdays_before(sale.day, series))
    return Summary(
        period=DAY_PERIOD,
        starts_on=sale.day,
        dish=sale.dish,
        name=sale.name,
        quantity=sale.quantity,
        revenue=sale.revenue,
        days=1,
        rank=rank,
        previous_quantity=series.get(sale.day - WEEK),
        change=compared.change,
        days_compared=compared.days,
        usual_quantity=found.usual if found else None,
        score=found.score if found else None,
        unusual=bool(found and found.is_unusual),
    )


def _weeks(
    of_days: Mapping[dt.date, Sequence[Sale]],
    of_dishes: Mapping[str, Series],
    first: dt.date,
    until: dt.date,
) -> Iterator[Summary]:
    monday = first
    while monday + WEEK <= until:
        sales: dict[str, list[Sale]] = defaultdict(list)
        for day in _days_of(monday):
            for sale in of_days.get(day, ()):
                sales[sale.dish].append(sale)
        places = ranks({dish: _total(each) for dish, each in sales.items()})
        for dish, its in sales.items():
            yield _week(monday, its, of_dishes[dish], places[dish])
        monday += WEEK


def _week(monday: dt.date, sales: Sequence[Sale], series: Series, rank: int) -> Summary:
    before = {day: series[day] for day in _days_of(monday - WEEK) if day in series}
    compared = compare({sale.day: sale.quantity for sale in sales}, before)
    return Summary(
        period=WEEK_PERIOD,
        starts_on=monday,
        dish=sales[-1].dish,
        name=sales[-1].name,
        quantity=_total(sales),
        revenue=_revenue(sales),
        days=len(sales),
        rank=rank,
        previous_quantity=sum(before.values(), Decimal(0)) if before else None,
        change=compared.change,
        days_compared=compared.days,
    )


def _days_of(monday: dt.date) -> list[dt.date]:
    return [monday + dt.timedelta(days=number) for number in range(7)]


def _total(sales: Iterable[Sale]) -> Decimal:
    return sum((sale.quantity for sale in sales), Decimal(0))


def _revenue(sales: Sequence[Sale]) -> Decimal | None:
    """None unless the revenue of each day is known, because a partial sum would look like the
    whole."""
    known = [sale.revenue for sale in sales if sale.revenue is not None]
    return sum(known, Decimal(0)) if len(known) == len(sales) else None
