"""A store's days for the chart: forecasts beside sales.

Each day is shown with the newest forecast that was made before it, usually that of the night
before. A day is a hit if its sales lie within that forecast's P10 to P90.
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
"""The assumed correlation of the forecast errors of a store's dishes, for the band of their sum.
With 0 the band would be too narrow, because good weather sells more of everything; with 1 it would
be too wide."""

Sold: TypeAlias = Mapping[dt.date, Mapping[str, float]]
"""Portions sold by day and dish. A day without any sales is missing: the store was closed."""


@dataclass(frozen=True)
class Band:
    """The expected sales of a day, in portions. One day in ten sells less than ``low``, and one in
    ten more than ``high``."""

    low: float
    middle: float
    high: float
    made_on: dt.date


@dataclass(frozen=True)
class ForecastDay:
    """A day of the chart. ``sold`` is None for days that were closed or are yet to come."""

    day: dt.date
    sold: float | None
    band: Band | None

    @property
    def verdict(self) -> str:
        """``hit``, ``above`` or ``below``; empty if there is nothing to compare."""
        if self.sold is None or self.band is None:
            return ""
        if self.sold > self.band.high:
            return "above"
        return "below" if self.sold < self.band.low else "hit"


def days_ahead(made_on: dt.date) -> Sequence[dt.date]:
    """The days that a forecast made after ``made_on`` covers."""
    return [made_on + dt.timedelta(days=ahead) for ahead in range(1, HORIZONS + 1)]


def days_of(
    store: Store,
    made_on: dt.date | None,
    last_sold: dt.date | None,
    dish: str,
    forecast_dishes: Sequence[str],
) -> Sequence[ForecastDay]:
    """The eight weeks up to the last known day, and the days that the forecast covers. ``dish``:
    this dish alone; empty: all forecast dishes together."""
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
    """A day with sales and band of the same dishes: those that were forecast, if there are any."""
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
    """The bands by day and dish, from the newest forecast that was made before each day."""
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
    """The band of a forecast for a day; None if the forecast does not cover the day or the store is
    closed then."""
    place = (day - forecast.made_on).days - 1
    if not 0 <= place < len(forecast.p50):
        return None
    low, middle, high = (each[place] for each in (forecast.p10, forecast.p50, forecast.p90))
    if low is None or middle is None or high is None:
        return None
    return Band(low, middle, high, forecast.made_on)


def together(bands: Sequence[Band]) -> Band | None:
    """The band of the sum of several dishes, whose errors correlate by :data:`TOGETHER`; None if
    there are no bands."""
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
