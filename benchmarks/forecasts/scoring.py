"""Adds up a method's errors over the windows, and computes its figures from the sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from benchmarks.forecasts.windows import Task
from neural.forecasting.core import dispersion
from neural.forecasting.core.evaluation import Sums, band_sums, naive_errors, point_sums

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


def _whole(target: np.ndarray) -> bool:
    return bool((target == np.rint(target)).all())
