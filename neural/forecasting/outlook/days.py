"""A store's days, what was forecast beside what it sold, put together from its rows.

Each day is shown with the newest forecast that was made before it: usually the one of the
night before. A day is a hit if what was sold lies within that forecast's P10 to P90.
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from neural.forecasting.core.series import HORIZONS
from neural.forecasting.models import Forecast
from neural.forecasting.sources import demand_source
from neural.models import Store

PAST_DAYS = 56
TOGETHER = 0.3
"""How alike the dishes of a store miss their forecasts (correlation), for the band of their sum.
With 0 the band would be too narrow, as good weather sells more of everything; with 1 too wide."""

Sold: TypeAlias = Mapping[dt.date, Mapping[str, float]]
"""By day and dish. A day on which the store sold nothing at all is not there: closed."""


@dataclass(frozen=True)
class Band:
    """What is expected on a day, in portions: sold less than ``low`` on one day in ten, more
    than ``high`` on another one."""

    low: float
    middle: float
    high: float
    made_on: dt.date


@dataclass(frozen=True)
class ForecastDay:
    """A day of the chart. ``sold`` is None on days that were closed or are yet to come."""

    day: dt.date
    sold: float | None
    band: Band | None

    @property
    def verdict(self) -> str:
        """hit, above, below; empty where there is nothing to compare."""
        if self.sold is None or self.band is None:
            return ""
        if self.sold > self.band.high:
            return "above"
        return "below" if self.sold < self.band.low else "hit"


def days_ahead(made_on: dt.date) -> Sequence[dt.date]:
    """The days that a forecast reaches."""
    return [made_on + dt.timedelta(days=ahead) for ahead in range(1, HORIZONS + 1)]


def days_of(
    store: Store,
    made_on: dt.date | None,
    last_sold: dt.date | None,
    dish: str,
    forecast_dishes: Sequence[str],
) -> Sequence[ForecastDay]:
    """Eight weeks up to the last day that is known, and those ahead; ``dish``: of it alone."""
    known = [day for day in (made_on, last_sold) if day]
    if not known:
        return []
    last = max([*known, *(days_ahead(made_on) if made_on else [])])
    weeks = -(-((last - max(known)).days + PAST_DAYS) // 7)
    every = [last - dt.timedelta(days=back) for back in reversed(range(weeks * 7))]
    first = every[0]
    sold, bands = _sold(store, first, last), _bands(store, every, [dish] if dish else [])
    wanted = [dish] if dish else forecast_dishes
    return [_day(day, sold, bands.get(day, {}), wanted) for day in every]


def _day(day: dt.date, sold: Sold, bands: Mapping[str, Band], wanted: Sequence[str]) -> ForecastDay:
    """Both are of the same dishes: those that were forecast, where any were."""
    found = sold.get(day)
    names = list(bands) or wanted or list(found or {})
    quantity = None if found is None else sum(found.get(name, 0.0) for name in names)
    return ForecastDay(day, quantity, together(list(bands.values())))


def _sold(store: Store, first: dt.date, last: dt.date) -> Sold:
    sold: dict[dt.date, dict[str, float]] = defaultdict(dict)
    until = last + dt.timedelta(days=1)
    for day, dish, _, quantity in demand_source().sales(store, first=first, until=until):
        if quantity > 0:
            sold[day][dish] = quantity
    return sold


def _bands(
    store: Store, days: Sequence[dt.date], dishes: Sequence[str]
) -> Mapping[dt.date, Mapping[str, Band]]:
    """By day and dish, of the newest forecast that was made before the day."""
    oldest = days[0] - dt.timedelta(days=HORIZONS)
    rows = Forecast.objects.filter(store=store, made_on__gte=oldest)
    if dishes:
        rows = rows.filter(dish__in=dishes)
    made: dict[dt.date, list[Forecast]] = defaultdict(list)
    for each in rows.only("store_id", "dish", "made_on", "p10", "p50", "p90"):
        made[each.made_on].append(each)
    return {day: _bands_of(day, made) for day in days}


def _bands_of(day: dt.date, made: Mapping[dt.date, Sequence[Forecast]]) -> Mapping[str, Band]:
    for ahead in range(1, HORIZONS + 1):
        if found := made.get(day - dt.timedelta(days=ahead)):
            bands = ((each.dish, band_of(each, day)) for each in found)
            return {dish: band for dish, band in bands if band}
    return {}


def band_of(forecast: Forecast, day: dt.date) -> Band | None:
    """What a forecast says of a day; None where it reaches it not, or the store is closed."""
    place = (day - forecast.made_on).days - 1
    if not 0 <= place < len(forecast.p50):
        return None
    low, middle, high = (each[place] for each in (forecast.p10, forecast.p50, forecast.p90))
    if low is None or middle is None or high is None:
        return None
    return Band(low, middle, high, forecast.made_on)


def together(bands: Sequence[Band]) -> Band | None:
    """The band of a sum: the widths of its parts add up as those of quantities that are alike
    to a degree (:data:`TOGETHER`)."""
    if len(bands) < 2:
        return bands[0] if bands else None
    middle = sum(each.middle for each in bands)
    below = _width([each.middle - each.low for each in bands])
    above = _width([each.high - each.middle for each in bands])
    return Band(max(middle - below, 0.0), middle, middle + above, bands[0].made_on)


def _width(widths: Sequence[float]) -> float:
    apart = sum(each * each for each in widths)
    alike = sum(widths) ** 2
    return math.sqrt((1 - TOGETHER) * apart + TOGETHER * alike)
