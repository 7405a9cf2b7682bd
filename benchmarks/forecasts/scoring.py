"""Sums of a method's forecasts over the windows, and the figures they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from benchmarks.forecasts.windows import Task
from neural.forecasting.core import dispersion
from neural.forecasting.core.evaluation import Sums, band_sums, naive_errors, point_sums

Residuals = list[dict[str, list[float]]]


def added(sums: Iterable[Mapping[str, float]]) -> Sums:
    """The sums of several stores, or of several kinds, as one."""
    total: Sums = {}
    for each in sums:
        for name, value in each.items():
            total[name] = total.get(name, 0.0) + float(value)
    return total


def scored(task: Task, forecasts: dict[str, np.ndarray]) -> Sums:
    """The sums of one window: days in stock on which the store was open."""
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
    """What the window's residuals add up to, by store."""
    return [
        dispersion.residual_sums(each.target, forecasts[name], each.horizon)
        for name, each in task.test.items()
    ]


def banded(task: Task, forecasts: dict[str, np.ndarray], earlier: Residuals) -> Sums:
    """The sums of P10 to P90 that follow from the residuals of earlier windows."""
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
