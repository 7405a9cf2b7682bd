"""Measures forecasts of first days, and how far a few wrong days move a forecast.

    python -m benchmarks.first_days                              an invented chain
    python -m benchmarks.first_days --data freshretail-totals    real sales
    python -m benchmarks.first_days --data bakery

Every third store is new to a model that the others have trained. It is cut down to its last open
days, and what it is served for the next 14 days is compared with the mean of its own days and with
the mean of the last four same weekdays. Then days of established stores are changed: ``moved`` is
the forecast of the 14 days together / that without the change (least, median, most). ``held`` has
the WAPE with and without the bound, of all days and of those within five days of a holiday, on
sales as they were, and the share of forecasts that the bound changes. Real data need what
benchmarks/forecasts needs; the invented chain needs nothing. Prints JSON.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from unittest import mock

import numpy as np

from benchmarks.forecasts.methods import served
from benchmarks.forecasts.windows import between
from neural.forecasting.core import expectation
from neural.forecasting.core.days import calendar
from neural.forecasting.core.evaluation import weekday_mean
from neural.forecasting.core.features import forecast_examples
from neural.forecasting.core.lags import Chain
from neural.forecasting.core.participant import simulate
from neural.forecasting.core.protocol import Json, TrainingConfig
from neural.forecasting.core.series import HORIZONS, Sales
from neural.forecasting.demand_forecast import DEMAND_FORECAST

OPEN_DAYS = (1, 2, 3, 5, 7, 14, 28)
ORIGINS, APART = 4, 5
"""Forecasts are made on so many mornings, with so many days between."""
MOST_STORES = 36
FACTORS = (0.0, 1.5, 4.5, 1000.0)
CHANGED = {
    "yesterday": (1,),
    "last three days": (1, 2, 3),
    "last four days": (1, 2, 3, 4),
    "four same weekdays": (7, 14, 21, 28),
}
"""The days that are changed, counted back from the last one."""
NEAR_A_HOLIDAY = 5
SURGE = 0.5
"""By how much more an invented store sells on its first day; it is a third of it after a week."""


def invented(stores: int, days: int = 160) -> dict[str, Sales]:
    """Stores of two dishes, whose levels lie a factor of two apart; holidays sell half as much
    again."""
    dice = np.random.default_rng(19)
    found = {}
    first = np.datetime64("2025-11-24").astype(object)
    free = calendar(country="CN", first_day=first, days=days + HORIZONS).holiday
    week = np.array([0.8, 0.85, 0.9, 1.0, 1.1, 1.35, 1.0])
    for number in range(stores):
        shape = week[np.arange(days) % 7] ** dice.uniform(0.6, 1.4) * np.where(free[:days], 1.5, 1)
        level = np.array([60.0, 20.0]) * dice.lognormal(0.0, 0.6, 2)
        usual = shape[:, None] * level * dice.gamma(40.0, 1 / 40.0, (days, 2))
        found[f"S{number:02d}"] = Sales(
            first_day=first,
            dishes=("rice", "soup"),
            quantities=dice.poisson(usual).astype(float),
            promotion=np.zeros((days + HORIZONS, 2)),
            closed=np.zeros(days + HORIZONS, dtype=bool),
            holiday=free.astype(float),
            school_holiday=np.zeros(days + HORIZONS),
            country="CN",
        )
    return found


class Errors:
    """Absolute errors and demand, added up under names."""

    def __init__(self) -> None:
        self.sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))

    def add(self, name: str, target: np.ndarray, forecast: np.ndarray) -> None:
        """Add days whose sales are known; no forecast counts as one of nothing."""
        known = np.isfinite(target)
        error = np.abs(target - np.nan_to_num(forecast))[known].sum()
        self.sums[name] += error, target[known].sum()

    def wape(self) -> dict[str, float]:
        """Absolute error / demand, by name."""
        return {name: round(float(e / d), 3) for name, (e, d) in self.sums.items() if d}


def first_days(content: Json, windows: list[tuple[Sales, int]], surge: float) -> Json:
    """WAPE by open days: what is served, the own mean, the weekday mean."""
    found = {}
    for count in OPEN_DAYS:
        errors = Errors()
        for sales, origin in windows:
            opened = np.flatnonzero(np.isfinite(sales.quantities[:origin]).any(axis=1))
            past = between(sales, int(opened[-count]), origin)
            lift = 1.0 + surge * np.exp(-np.arange(past.days) / 7.0)
            past = replace(past, quantities=np.rint(past.quantities * lift[:, None]) if surge
                           else past.quantities)  # fmt: skip
            target = sales.quantities[origin : origin + HORIZONS]
            errors.add("served", target, served(content, past)[0])
            own = np.nanmean(past.quantities[-28:], axis=0, keepdims=True)
            errors.add("own_mean", target, np.broadcast_to(own, target.shape))
            errors.add("weekday_mean", target, rule(past))
        found[str(count)] = errors.wape()
    return found


def rule(past: Sales) -> np.ndarray:
    """(HORIZONS, dishes): the weekday mean of the own days alone."""
    examples = forecast_examples(past, chain=Chain.unknown(past))
    found = np.full((HORIZONS, len(past.dishes)), np.nan)
    found[examples.horizon - 1, examples.dish] = weekday_mean(past, examples)
    return found


def moved(content: Json, windows: list[tuple[Sales, int]]) -> Json:
    """By days and factor: how far the forecast moved (least, median, most)."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for sales, origin in windows:
        past = between(sales, 0, origin)
        before = np.nansum(served(content, past)[0], axis=0)
        for name, days in CHANGED.items():
            for factor in FACTORS:
                sold = past.quantities.copy()
                sold[[-day for day in days]] = np.rint(sold[[-day for day in days]] * factor)
                after = np.nansum(served(content, replace(past, quantities=sold))[0], axis=0)
                ratios[f"{name} × {factor:g}"] += (after / before)[before > 1].tolist()
    return {
        name: [round(float(each), 2) for each in np.quantile(values, (0, 0.5, 1))]
        for name, values in ratios.items()
    }


def held(content: Json, windows: list[tuple[Sales, int]]) -> Json:
    """WAPE with the bound and without it, and the share of days that it changes."""
    errors, changed = Errors(), []
    for sales, origin in windows:
        past = between(sales, 0, origin)
        bounded = served(content, past)[0]
        with mock.patch.multiple(expectation, MOST_MOVED=1e9, MOST_MOVED_AT_FIRST=1e9):
            free = served(content, past)[0]
        target = sales.quantities[origin : origin + HORIZONS]
        near = sales.holiday[origin - NEAR_A_HOLIDAY : origin + HORIZONS].any()
        for name in ("all", "near a holiday")[: 1 + int(near)]:
            errors.add(f"{name}, bounded", target, bounded)
            errors.add(f"{name}, free", target, free)
        changed.append(np.nanmean(np.abs(bounded - free) > 1e-3 * free))
    return {**errors.wape(), "changed": round(float(np.mean(changed)), 4)}


def windows_of(stores: Mapping[str, Sales], names: list[str]) -> Iterator[tuple[Sales, int]]:
    """Each store with each of the last origins."""
    for name in names:
        last = stores[name].days - HORIZONS
        yield from ((stores[name], last - APART * back) for back in range(ORIGINS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="", help="as for benchmarks.forecasts")
    parser.add_argument("--stores", type=int, default=30, help="of the invented chain (30)")
    parser.add_argument("--history", type=int, default=180, help="days that the model knows (180)")
    parser.add_argument("--trees", type=int, default=TrainingConfig.trees)
    options = parser.parse_args()
    if options.data:
        from benchmarks.forecasts import datasets  # needs packages that the project does not

        try:
            stores = datasets.load(options.data)
        except datasets.DataAbsent as absent:
            print(f"skipped: {absent}", file=sys.stderr)
            return
    else:
        stores = invented(options.stores)
    print(json.dumps(measured(stores, options), indent=1, ensure_ascii=False))


def measured(stores: Mapping[str, Sales], options: argparse.Namespace) -> Json:
    """All figures of these stores."""
    names = sorted(stores)
    new = names[::3][:: max(len(names) // 3 // MOST_STORES, 1)]
    known = [name for place, name in enumerate(names) if place % 3]
    known = known[:: max(len(known) // (2 * MOST_STORES), 1)]
    end = min(each.days for each in stores.values()) - HORIZONS - APART * (ORIGINS - 1)
    first = max(end - options.history, 0)
    config = TrainingConfig(history_days=end - first, trees=options.trees)
    past = {name: between(stores[name], first, end) for name in known}
    content = simulate(kind=DEMAND_FORECAST, config=config, stores=past).server_state
    recent = {name: between(stores[name], max(first - 60, 0), stores[name].days) for name in new}
    windows = list(windows_of(recent, new))
    found: Json = {"stores": len(stores), "new": len(new), "days": end - first}
    found["wape_by_open_days"] = first_days(content, windows, 0.0)
    if not options.data:
        found["wape_by_open_days_with_a_surge"] = first_days(content, windows, SURGE)
    found["held"] = held(content, windows)
    return {**found, "moved": moved(content, windows[::ORIGINS][:12])}


if __name__ == "__main__":
    main()
