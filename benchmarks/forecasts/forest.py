"""Trains federated trees on a window: all stores' sums are added in memory."""

from __future__ import annotations

import numpy as np

from benchmarks.forecasts.windows import Task
from neural.forecasting.core import binning
from neural.forecasting.core.features import FEATURES
from neural.forecasting.core.glm import FARTHEST
from neural.forecasting.core.protocol import TrainingConfig
from neural.forecasting.core.trees import growing
from neural.forecasting.core.trees import sums as trees_sums
from neural.forecasting.core.trees.forest import Form, PartialForest, begin


def grown(task: Task, *, form: Form, bins: int = TrainingConfig.bins) -> PartialForest:
    """The finished trees. All stores are one group: the sums are exact, so grouping makes no
    difference."""
    agreed = binning.agree(
        sketches=[binning.sketch(values=each.values) for each in task.train.values()],
        bins=bins,
        features=len(FEATURES),
    )
    mean = np.mean([float(each.target.mean()) for each in task.train.values()])
    ensemble = begin(form=form, bins=agreed, unit=max(float(mean), 1e-3))
    rows = trees_sums.joined(
        [
            trees_sums.rows_of(
                store=name,
                codes=binning.binned(values=each.values, bins=agreed),
                offset=each.offset,
                target=each.target,
            )
            for name, each in task.train.items()
        ]
    )
    memory: dict[str, object] = {}
    while not ensemble.is_complete:
        told = trees_sums.sums(forest=ensemble, rows=rows, memory=memory)
        ensemble = growing.grown(forest=ensemble, sums=told.sums)
    return ensemble


def margins(ensemble: PartialForest, values: np.ndarray) -> np.ndarray:
    """Log of forecast / level."""
    codes = binning.binned(values=values, bins=ensemble.bins)
    return np.clip(ensemble.finished.margins(codes), -FARTHEST, FARTHEST)
