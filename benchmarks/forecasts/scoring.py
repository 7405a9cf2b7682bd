"""Sums of a method's forecasts over the windows, and the figures they make."""

from __future__ import annotations

import numpy as np

from benchmarks.forecasts.windows import Task
from neural.federated.evaluation import Sums, added, naive_errors, point_sums


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
