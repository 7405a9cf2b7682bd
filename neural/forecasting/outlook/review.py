"""A store's forecast beside what it sold, put together for people from its rows.

Each day is shown with the newest forecast that was made before it: usually the one of the
night before. A day is a hit if what was sold lies within that forecast's P10 to P90.
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from neural.forecasting.core.series import HORIZONS
from neural.forecasting.models import Forecast, ModelVersion
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
class Day:
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


@dataclass(frozen=True)
class Portion:
    """How much of a dish to prepare; None for a day on which the store is closed."""

    dish: str
    name: str
    usual: int | None
    """It lasts on one day in two."""
    rarely_out: int | None
    """It lasts on nine days in ten."""
    method: str


@dataclass(frozen=True)
class Outlook:
    """What is known of a store's next days and of how its forecasts did. ``dishes`` are code
    and name; ``dish`` the one that is shown, or empty for all of them together."""

    dish: str
    dishes: Sequence[tuple[str, str]]
    made_on: dt.date | None
    version: ModelVersion | None
    methods: Sequence[str]
    days: Sequence[Day]
    last_sold: dt.date | None
    prepare_on: dt.date | None
    coming: Sequence[dt.date]
    portions: Sequence[Portion]

    @property
    def judged(self) -> Sequence[Day]:
        """Days of which both forecast and sales are known, newest first."""
        return [day for day in reversed(self.days) if day.verdict]

    @property
    def hits(self) -> int:
        return sum(day.verdict == "hit" for day in self.judged)


def outlook(
    *, store: Store, today: dt.date, dish: str = "", prepare_on: dt.date | None = None
) -> Outlook:
    """The last eight weeks and the next two of a store.

    ``today`` is by the store's own clock; portions are for the day after it unless
    ``prepare_on`` names another one. Days that no forecast reaches give way to its first.
    """
    newest = _newest(store)
    made_on = newest[0].made_on if newest else None
    dishes = sorted(((each.dish, each.name or each.dish) for each in newest), key=lambda d: d[1])
    dish = dish if dish in dict(dishes) else ""
    coming = _ahead(made_on) if made_on else []
    chosen = _chosen(coming, prepare_on or today + dt.timedelta(days=1))
    last_sold = demand_source().last_day_of(store)
    return Outlook(
        dish=dish,
        dishes=dishes,
        made_on=made_on,
        version=next((each.version for each in newest if each.version), None),
        methods=sorted({each.method for each in newest}),
        days=_days(store, made_on, last_sold, dish, [code for code, _ in dishes]),
        last_sold=last_sold,
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


def _ahead(made_on: dt.date) -> Sequence[dt.date]:
    return [made_on + dt.timedelta(days=ahead) for ahead in range(1, HORIZONS + 1)]


def _chosen(coming: Sequence[dt.date], wanted: dt.date) -> dt.date | None:
    if not coming:
        return None
    return wanted if wanted in coming else coming[0]


def _most_first(newest: Iterable[Forecast], day: dt.date | None) -> Sequence[Forecast]:
    def amount(forecast: Forecast) -> float:
        band = _band(forecast, day) if day else None
        return -band.middle if band else 0.0

    return sorted(newest, key=lambda each: (amount(each), each.name, each.dish))


def _portion(forecast: Forecast, day: dt.date | None) -> Portion:
    band = _band(forecast, day) if day else None
    return Portion(
        forecast.dish,
        forecast.name or forecast.dish,
        portions(band.middle) if band else None,
        portions(band.high) if band else None,
        forecast.method,
    )


def portions(amount: float) -> int:
    """Whole portions: rounded up, but not for what is a matter of the last digit."""
    return math.ceil(round(amount, 6))


# The chart's days


def _days(
    store: Store,
    made_on: dt.date | None,
    last_sold: dt.date | None,
    dish: str,
    forecast_dishes: Sequence[str],
) -> Sequence[Day]:
    known = [day for day in (made_on, last_sold) if day]
    if not known:
        return []
    last = max([*known, *(_ahead(made_on) if made_on else [])])
    weeks = -(-((last - max(known)).days + PAST_DAYS) // 7)
    every = [last - dt.timedelta(days=back) for back in reversed(range(weeks * 7))]
    first = every[0]
    sold, bands = _sold(store, first, last), _bands(store, every, [dish] if dish else [])
    wanted = [dish] if dish else forecast_dishes
    return [_day(day, sold, bands.get(day, {}), wanted) for day in every]


def _day(day: dt.date, sold: Sold, bands: Mapping[str, Band], wanted: Sequence[str]) -> Day:
    """Both are of the same dishes: those that were forecast, where any were."""
    found = sold.get(day)
    names = list(bands) or wanted or list(found or {})
    quantity = None if found is None else sum(found.get(name, 0.0) for name in names)
    return Day(day, quantity, together(list(bands.values())))


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
            bands = ((each.dish, _band(each, day)) for each in found)
            return {dish: band for dish, band in bands if band}
    return {}


def _band(forecast: Forecast, day: dt.date) -> Band | None:
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
