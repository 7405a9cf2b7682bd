"""Computing demand summaries from a store's sales. Pure: no Django, no database."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from neural.restaurant.analysis.arithmetic import (
    WEEK,
    Series,
    compare,
    deviation,
    ranks,
    same_weekdays_before,
)

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
