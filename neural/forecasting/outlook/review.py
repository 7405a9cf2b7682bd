"""The content of a store's forecast page: past forecasts, what to prepare, doubtful reports.

Each day is shown with the newest forecast that was made before it, usually that of the night
before. A day is a hit if its sales lie within that forecast's P10 to P90."""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from neural.forecasting.core.doubtful import WINDOW_DAYS
from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.core.series import HORIZONS, Sales
from neural.forecasting.models import Forecast, ModelVersion
from neural.forecasting.sales import sales_of
from neural.forecasting.sources import demand_source
from neural.models import Store

# Forecasts beside sales


PAST_DAYS = 56
LEAST_COMPARED = 14
"""With fewer days to compare, the errors of a store's dishes are taken to be fully alike, which
gives the widest band of their sum."""
P10_TO_P90 = 2.56
"""The width of a band in standard deviations."""

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
    alike = correlation(sold, bands)
    return [_day(day, sold, bands.get(day, {}), wanted, alike) for day in every]


def _day(
    day: dt.date, sold: Sold, bands: Mapping[str, Band], wanted: Sequence[str], alike: float
) -> ForecastDay:
    """A day with sales and band of the same dishes: those that were forecast, if there are any."""
    found = sold.get(day)
    names = list(bands) or wanted or list(found or {})
    quantity = None if found is None else sum(found.get(name, 0.0) for name in names)
    return ForecastDay(day, quantity, band_of_sum(list(bands.values()), correlation=alike))


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


def correlation(sold: Sold, bands: Mapping[dt.date, Mapping[str, Band]]) -> float:
    """How much the forecast errors of a store's dishes are alike, from 0 to 1: the products of the
    errors of two dishes on the same day / those of the bands' widths. Good weather sells more of
    everything, so that the errors of a sum do not cancel out."""
    together = apart = days = 0.0
    for day, of_day in bands.items():
        if day not in sold or len(of_day) < 2:
            continue
        errors = [sold[day].get(dish, 0.0) - band.middle for dish, band in of_day.items()]
        spreads = [(band.high - band.low) / P10_TO_P90 for band in of_day.values()]
        together += sum(errors) ** 2 - sum(each**2 for each in errors)
        apart += sum(spreads) ** 2 - sum(each**2 for each in spreads)
        days += 1
    if days < LEAST_COMPARED or apart <= 0:
        return 1.0
    return min(max(together / apart, 0.0), 1.0)


def band_of_sum(bands: Sequence[Band], *, correlation: float) -> Band | None:
    """The band of the sum of several dishes, whose errors correlate; None if there are no bands."""
    if len(bands) < 2:
        return bands[0] if bands else None
    middle = sum(each.middle for each in bands)
    below = _width([each.middle - each.low for each in bands], correlation)
    above = _width([each.high - each.middle for each in bands], correlation)
    return Band(max(middle - below, 0.0), middle, middle + above, bands[0].made_on)


def _width(widths: Sequence[float], correlation: float) -> float:
    apart = sum(each * each for each in widths)
    alike = sum(widths) ** 2
    return math.sqrt((1 - correlation) * apart + correlation * alike)


# The page


DISPLAYED_DAYS = 2 * WINDOW_DAYS
_READ_DAYS = DISPLAYED_DAYS + WINDOW_DAYS


@dataclass(frozen=True)
class Portion:
    """How many portions of a dish to prepare; None for a day on which the store is closed."""

    dish: str
    name: str
    usual: int | None
    """The quantity that lasts on one day in two."""
    rarely_out: int | None
    """The quantity that lasts on nine days in ten."""
    method: str


@dataclass(frozen=True)
class Outlook:
    """A store's next days and past forecasts. ``dishes`` are pairs of code and name; ``dish`` is
    the code of the dish shown, or empty for all of them together."""

    dish: str
    dishes: Sequence[tuple[str, str]]
    made_on: dt.date | None
    version: ModelVersion | None
    methods: Sequence[str]
    days: Sequence[ForecastDay]
    prepare_on: dt.date | None
    coming: Sequence[dt.date]
    portions: Sequence[Portion]

    @property
    def judged(self) -> Sequence[ForecastDay]:
        """The days with both forecast and sales, the newest first."""
        return [day for day in reversed(self.days) if day.verdict]

    @property
    def hits(self) -> int:
        return sum(day.verdict == "hit" for day in self.judged)


def outlook(
    *, store: Store, today: dt.date, dish: str = "", prepare_on: dt.date | None = None
) -> Outlook:
    """The last eight weeks and the next two of a store.

    ``today`` is by the store's own clock. Portions are for ``prepare_on``, by default the day after
    ``today``; if the forecast does not cover that day, for its first day.
    """
    newest = _newest(store)
    made_on = newest[0].made_on if newest else None
    dishes = sorted(((each.dish, each.name or each.dish) for each in newest), key=lambda d: d[1])
    dish = dish if dish in dict(dishes) else ""
    coming = days_ahead(made_on) if made_on else []
    chosen = _chosen(coming, prepare_on or today + dt.timedelta(days=1))
    last_sold = demand_source().last_day_of(store)
    return Outlook(
        dish=dish,
        dishes=dishes,
        made_on=made_on,
        version=next((each.version for each in newest if each.version), None),
        methods=sorted({each.method for each in newest}),
        days=days_of(store, made_on, last_sold, dish, [code for code, _ in dishes]),
        prepare_on=chosen,
        coming=coming,
        portions=[_portion(each, chosen) for each in _most_first(newest, chosen)],
    )


def _newest(store: Store) -> Sequence[Forecast]:
    mine = Forecast.objects.filter(store=store)
    last = mine.order_by("-made_on").values_list("made_on", flat=True).first()
    if last is None:
        return []
    rows = mine.filter(made_on=last).select_related("version").defer("version__content")
    return list(rows.order_by("dish"))


def _chosen(coming: Sequence[dt.date], wanted: dt.date) -> dt.date | None:
    if not coming:
        return None
    return wanted if wanted in coming else coming[0]


def _most_first(newest: Iterable[Forecast], day: dt.date | None) -> Sequence[Forecast]:
    def amount(forecast: Forecast) -> float:
        band = band_of(forecast, day) if day else None
        return -band.middle if band else 0.0

    return sorted(newest, key=lambda each: (amount(each), each.name, each.dish))


def _portion(forecast: Forecast, day: dt.date | None) -> Portion:
    band = band_of(forecast, day) if day else None
    return Portion(
        forecast.dish,
        forecast.name or forecast.dish,
        portions(band.middle) if band else None,
        portions(band.high) if band else None,
        forecast.method,
    )


def portions(amount: float) -> int:
    """Whole portions, rounded up; an excess below 0.000001 is ignored."""
    return math.ceil(round(amount, 6))


# Doubtful reports


class Doubt(NamedTuple):
    """A dish's day that says something far from what is usual, until a person confirms it."""

    day: dt.date
    dish: str
    name: str
    reported: float
    usual: float
    is_left_out: bool
    """Whether forecasts ignore the day; if not, it moves them only to a limit."""

    @property
    def reported_text(self) -> str:
        return f"{self.reported:,.0f}"

    @property
    def usual_text(self) -> str:
        return f"{self.usual:,.0f}"


def doubts_of(store: Store, *, today: dt.date) -> Sequence[Doubt]:
    """The implausible reports of the last eight weeks, and the days by which the newest forecast
    would be moved further if they were confirmed; the newest first."""
    try:
        sales = sales_of(store, today=today, history_days=_READ_DAYS)
    except NotEnoughHistory:
        return []
    since = today - dt.timedelta(days=DISPLAYED_DAYS)
    found = [
        Doubt(sales.day(row), sales.dishes[column], sales.names[column], reported, usual, True)
        for row, column, reported, usual in sales.doubtful
    ]
    found += _holding(_newest(store), sales)
    return sorted((each for each in found if each.day >= since), reverse=True)


def _holding(newest: Iterable[Forecast], sales: Sales) -> Iterator[Doubt]:
    for each in newest:
        for text, reported, usual in each.unconfirmed or ():
            day = dt.date.fromisoformat(text)
            if not _is_confirmed(sales, day, each.dish):
                yield Doubt(day, each.dish, each.name or each.dish, reported, usual, False)


def _is_confirmed(sales: Sales, day: dt.date, dish: str) -> bool:
    row = (day - sales.first_day).days
    if sales.confirmed is None or dish not in sales.dishes or not 0 <= row < sales.days:
        return False
    return bool(sales.confirmed[row, sales.dishes.index(dish)])
