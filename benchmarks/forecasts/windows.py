"""Windows with a rolling origin: what is known before a day, what is forecast after it, and the
sums of errors over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from neural.forecasting.core import dispersion
from neural.forecasting.core.evaluation import Sums, band_sums, naive_errors, point_sums
from neural.forecasting.core.features import (
    ALL_HORIZONS,
    HORIZONS_EACH,
    Examples,
    training_examples,
)
from neural.forecasting.core.series import HORIZONS, Sales


@dataclass(frozen=True, kw_only=True)
class Task:
    """One origin, with the examples to train on and to forecast, by store."""

    history: int
    past: dict[str, Sales]
    """What is known at the origin, by store."""
    full: dict[str, Sales]
    """The same, with the window's own rows, for forecasts that need no learning."""
    train: dict[str, Examples]
    test: dict[str, Examples]


def origins(days: int, *, windows: int, skipped: int = 0) -> list[int]:
    """The last known row of each window, without the ``skipped`` newest windows. A window is the 14
    days after its origin; no two overlap."""
    last = days - 1 - HORIZONS * (skipped + 1)
    return [last - HORIZONS * each for each in reversed(range(windows))]


def between(sales: Sales, first: int, end: int) -> Sales:
    """The store as if only its rows [first, end) were known of its past."""
    ahead = slice(first, end + HORIZONS)
    return replace(
        sales,
        first_day=sales.day(first),
        quantities=sales.quantities[first:end],
        promotion=sales.promotion[ahead],
        discounted=None if sales.discounted is None else sales.discounted[first:end],
        closed=sales.closed[ahead],
        holiday=sales.holiday[ahead],
        school_holiday=sales.school_holiday[ahead],
    )


def task(stores: dict[str, Sales], *, origin: int, history: int, kind: str) -> Task:
    """``kind`` is "h1" (each of the 14 days, one day ahead) or "14d" (all from the origin)."""
    first = max(origin + 1 - history, 0)
    past = {name: between(each, first, origin + 1) for name, each in stores.items()}
    full = {name: between(each, first, origin + 1 + HORIZONS) for name, each in stores.items()}
    horizons, each = ((1,), None) if kind == "h1" else (ALL_HORIZONS, HORIZONS_EACH)
    train = {
        name: training_examples(
            sales, first_day=0, end_day=sales.days, horizons=horizons, horizons_each=each
        )
        for name, sales in past.items()
    }
    known = {name: each for name, each in train.items() if len(each)}
    return Task(
        history=origin + 1 - first,
        past={name: past[name] for name in known},
        full={name: full[name] for name in known},
        train=known,
        test={name: _test(full[name], past[name].days, horizons) for name in known},
    )


def _test(full: Sales, days: int, horizons: tuple[int, ...]) -> Examples:
    examples = training_examples(full, first_day=days, end_day=full.days, horizons=horizons)
    if len(horizons) == 1:
        return examples
    return examples.where(np.asarray(examples.day - examples.horizon == days - 1))


Residuals = list[dict[str, list[float]]]


def added(sums: Iterable[Mapping[str, float]]) -> Sums:
    """The sums of several stores, or of several kinds, added together."""
    total: Sums = {}
    for each in sums:
        for name, value in each.items():
            total[name] = total.get(name, 0.0) + float(value)
    return total


def scored(task: Task, forecasts: dict[str, np.ndarray]) -> Sums:
    """The sums of one window, over days in stock on which the store was open."""
    return added(
        point_sums(
            examples.target,
            forecasts[name],
            naive_error=naive_errors(task.past[name].quantities)[examples.dish],
        )
        for name, examples in task.test.items()
        if len(examples)
    )


def residuals(task: Task, forecasts: dict[str, np.ndarray]) -> Residuals:
    """The window's residuals, added up by store."""
    return [
        dispersion.residual_sums(each.target, forecasts[name], each.horizon)
        for name, each in task.test.items()
    ]


def banded(task: Task, forecasts: dict[str, np.ndarray], earlier: Residuals) -> Sums:
    """The sums for P10 to P90, which follow from the residuals of earlier windows."""
    scatter = dispersion.fitted(earlier)
    return added(
        band_sums(
            each.target,
            scatter.quantiles(forecasts[name], each.horizon, whole=_whole(each.target)),
        )
        for name, each in task.test.items()
        if len(each)
    )


def by_horizon(task: Task, served: Mapping[str, np.ndarray]) -> dict[str, Sums]:
    """The sums for the stored means and bands, by the last day of each bucket of horizons."""
    parts: dict[str, list[Sums]] = {f"to_day_{last}": [] for last in dispersion.LAST_OF_BUCKET}
    for name, each in task.test.items():
        bucket = dispersion.bucket_of(each.horizon)
        for place, sums in enumerate(parts.values()):
            of = bucket == place
            target, columns = each.target[of], served[name][of]
            sums.append(point_sums(target, columns[:, 0]) | band_sums(target, columns[:, 1:]))
    return {bucket: added(sums) for bucket, sums in parts.items()}


def _whole(target: np.ndarray) -> bool:
    return bool((target == np.rint(target)).all())
