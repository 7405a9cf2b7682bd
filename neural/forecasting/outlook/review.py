"""The content of a store's forecast page: past forecasts, what to prepare, doubtful reports."""

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from neural.forecasting.core.doubtful import WINDOW_DAYS
from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.core.series import Sales
from neural.forecasting.models import Forecast, ModelVersion
from neural.forecasting.outlook.days import ForecastDay, band_of, days_ahead, days_of
from neural.forecasting.sales import sales_of
from neural.forecasting.sources import demand_source
from neural.models import Store

SHOWN_DAYS = 2 * WINDOW_DAYS
_READ_DAYS = SHOWN_DAYS + WINDOW_DAYS


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
    def reported_shown(self) -> str:
        return f"{self.reported:,.0f}"

    @property
    def usual_shown(self) -> str:
        return f"{self.usual:,.0f}"


def doubts_of(store: Store, *, today: dt.date) -> Sequence[Doubt]:
    """The implausible reports of the last eight weeks, and the days by which the newest forecast
    would be moved further if they were confirmed; the newest first."""
    try:
        sales = sales_of(store, today=today, history_days=_READ_DAYS)
    except NotEnoughHistory:
        return []
    since = today - dt.timedelta(days=SHOWN_DAYS)
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
