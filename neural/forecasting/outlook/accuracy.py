"""Measures what was served: each night, the forecasts of the last days beside what was sold.

A row is written for a store's day and each horizon of 1 to 14 days, again if the sales were
corrected within two weeks. Days whose demand is not known (closed, sold out, doubtful) do not
count, nor does a dish that the store no longer sells.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Count, QuerySet, Sum

from neural.forecasting.core.evaluation import weekday_means
from neural.forecasting.core.series import HORIZONS, FloatArray, Sales
from neural.forecasting.models import Forecast, ForecastAccuracy
from neural.models import Store

SHOWN_DAYS = 28
KEY = ("store", "day", "horizon")
NUMBERS = ("sold", "forecast", "error", "rule_error")
HORIZON_GROUPS = ((1, 1), (2, 7), (8, HORIZONS))
"""The first and last horizon of each line that people read."""


def measure(store: Store, sales: Sales) -> int:
    """Write the accuracy of the store's last days, as far as it is new; returns how many rows."""
    rows = np.arange(max(sales.days - HORIZONS, 0), sales.days)
    served = _served(store, sales, int(rows[0]))
    sold = np.broadcast_to(sales.quantities[rows, None], served.shape)
    known = np.isfinite(served) & np.isfinite(sold)
    if not known.any():
        return 0
    rule = weekday_means(sales, rows)
    since = sales.day(int(rows[0]))
    before = ForecastAccuracy.objects.filter(store=store, day__gte=since)
    written = {(each.day, each.horizon): _content(each) for each in before}
    found = []
    for day, ahead in np.argwhere(known.any(axis=2)):
        which = known[day, ahead]
        of_dishes = [each[day, ahead][which].round(6) for each in (sold, served, rule)]
        row = _row(store, sales.day(int(rows[day])), int(ahead) + 1, *of_dishes)
        if row.horizon == 1:
            names = np.array(sales.dishes)[which].tolist()
            row.dishes = dict(zip(names, np.stack(of_dishes, axis=1).tolist(), strict=True))
        if written.get((row.day, row.horizon)) != _content(row):
            found.append(row)
    ForecastAccuracy.objects.bulk_create(
        found, update_conflicts=True, unique_fields=KEY, update_fields=[*NUMBERS, "dishes"]
    )
    return len(found)


def _served(store: Store, sales: Sales, first: int) -> FloatArray:
    """(days from the row ``first``, HORIZONS, dishes): the means of the forecasts that were made
    of each day; NaN where there is none."""
    found = np.full((sales.days - first, HORIZONS, len(sales.dishes)), np.nan)
    column = {dish: place for place, dish in enumerate(sales.dishes)}
    since = sales.day(first) - dt.timedelta(days=HORIZONS)
    made = Forecast.objects.filter(store=store, made_on__gte=since, made_on__lt=sales.last_day)
    for made_on, dish, means in made.values_list("made_on", "dish", "mean"):
        origin = (made_on - sales.first_day).days - first
        for ahead, mean in enumerate(means[:HORIZONS], 1):
            if 0 <= origin + ahead < len(found) and mean is not None and dish in column:
                found[origin + ahead, ahead - 1, column[dish]] = mean
    return found


def _row(
    store: Store,
    day: dt.date,
    horizon: int,
    sold: FloatArray,
    forecast: FloatArray,
    rule: FloatArray,
) -> ForecastAccuracy:
    errors = (np.abs(sold - each).sum() for each in (forecast, rule))
    numbers = [round(float(each), 6) for each in (sold.sum(), forecast.sum(), *errors)]
    return ForecastAccuracy(
        store=store, day=day, horizon=horizon, **dict(zip(NUMBERS, numbers, strict=True))
    )


def _content(row: ForecastAccuracy) -> tuple[Any, ...]:
    return (*(getattr(row, name) for name in NUMBERS), row.dishes)


# What people read


@dataclass(kw_only=True)
class Accuracy:
    """Forecasts beside what was sold, in portions, summed over ``days`` of a store, and how far
    the weekday mean was off on the same days."""

    of: Any
    """A pair of horizons, a store, or the code of a dish."""
    days: int = 0
    sold: float = 0.0
    forecast: float = 0.0
    error: float = 0.0
    rule_error: float = 0.0

    def add(self, sold: float, forecast: float, error: float, rule_error: float) -> None:
        """Add what was found of another day, or of others."""
        self.sold += sold
        self.forecast += forecast
        self.error += error
        self.rule_error += rule_error

    @property
    def wape(self) -> float | None:
        """Absolute error / sold."""
        return self.error / self.sold if self.sold else None

    @property
    def rule_wape(self) -> float | None:
        return self.rule_error / self.sold if self.sold else None

    @property
    def bias(self) -> float | None:
        """Forecast / sold."""
        return self.forecast / self.sold if self.sold else None

    @property
    def error_a_day(self) -> float:
        """Portions a store and day."""
        return self.error / self.days if self.days else 0.0

    @property
    def loses(self) -> bool:
        """Whether the rule was nearer to what was sold."""
        return self.rule_error < self.error


def lately(rows: QuerySet[ForecastAccuracy], *, days: int = SHOWN_DAYS) -> QuerySet:
    """Of these rows those of the last ``days`` days that are measured."""
    last = rows.order_by("-day").values_list("day", flat=True).first()
    return rows.filter(day__gt=last - dt.timedelta(days=days)) if last else rows.none()


def by_horizon(rows: QuerySet[ForecastAccuracy]) -> Sequence[Accuracy]:
    """A line for each of :data:`HORIZON_GROUPS`."""
    found = {group: Accuracy(of=group) for group in HORIZON_GROUPS}
    for horizon, count, *sums in _summed(rows, "horizon"):
        group = next(each for each in HORIZON_GROUPS if each[0] <= horizon <= each[1])
        found[group].days += count
        found[group].add(*sums)
    return [each for each in found.values() if each.days]


def by_store(rows: QuerySet[ForecastAccuracy]) -> Sequence[Accuracy]:
    """A line for each store's next days; where the rule was better by most, first."""
    found = {}
    for code, count, *sums in _summed(rows.filter(horizon=1), "store"):
        found[code] = Accuracy(of=code, days=count)
        found[code].add(*sums)
    for store in Store.objects.filter(pk__in=found):
        found[store.pk].of = store
    return sorted(
        found.values(), key=lambda each: (each.rule_error - each.error) / (each.sold or 1)
    )


def by_dish(rows: QuerySet[ForecastAccuracy]) -> Sequence[Accuracy]:
    """A line for each dish's next days; what is sold most first."""
    found: dict[str, Accuracy] = defaultdict(lambda: Accuracy(of=""))
    for dishes in rows.filter(horizon=1).values_list("dishes", flat=True).iterator():
        for dish, (sold, forecast, rule) in (dishes or {}).items():
            found[dish].of, found[dish].days = dish, found[dish].days + 1
            found[dish].add(sold, forecast, abs(sold - forecast), abs(sold - rule))
    return sorted(found.values(), key=lambda each: (-each.sold, each.of))


def _summed(rows: QuerySet[ForecastAccuracy], by: str) -> Iterable[tuple[Any, ...]]:
    groups = rows.order_by(by).values_list(by)
    return groups.annotate(Count("pk"), *(Sum(name) for name in NUMBERS))
