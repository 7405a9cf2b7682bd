"""Personal weights: how far a store may deviate from the chain's, learned from all stores. Pure.

Empirical Bayes (Robbins 1956; Efron and Morris 1973): the stores' own optima scatter around the
chain's weights because stores differ and because each store has few data. The scatter minus the
sampling variance is the prior variance of a weight, and a store's weights are the mode under that
prior. The centre stays the chain's weights; estimating a new one made forecasts worse.
"""

from typing import NamedTuple

import numpy as np

from neural.forecasting.core.features import Examples
from neural.forecasting.core.glm import (
    LocalObjective,
    hessian,
    linear_predictor,
    minimised,
    ridge_penalty,
)
from neural.forecasting.core.series import FloatArray

YEAR = 365.0
TEMPER_OF_A_YEAR = 3.0
MOST_TEMPER = 200.0
LARGEST_VARIANCE = 1.0
_LEAST_VARIANCE = 1e-8


class WeightDeviation(NamedTuple):
    """How far a store's own optimum is from the chain's weights; each array is (size,).
    ``deviation`` is the squared distance, ``sampling`` the part that chance alone would cause."""

    deviation: FloatArray
    sampling: FloatArray

    @property
    def excess(self) -> FloatArray:
        """(size,): the deviation that chance does not explain, within ± ``LARGEST_VARIANCE``."""
        return np.clip(self.deviation - self.sampling, -LARGEST_VARIANCE, LARGEST_VARIANCE)


def temper(days: float, sightings: float = 1.0) -> float:
    """The factor for the noise of a store's examples when its weights are fitted, by its days of
    history: 3 with a year, about 30 with 80 days, at most 200; times the sightings.

    Examples of one store are not independent, least of all when they come from few weeks, and a
    short history does not cover the year. Measured: benchmarks/forecasts.
    """
    part = min(max(days, 1.0), YEAR) / YEAR
    return float(min(TEMPER_OF_A_YEAR / part**1.5, MOST_TEMPER)) * sightings


def sightings(examples: Examples) -> float:
    """The average number of examples of one target. A target that is seen from several horizons is
    still one dish on one day."""
    targets = examples.day.astype(np.int64) * (1 << 20) + examples.dish
    return len(targets) / max(len(np.unique(targets)), 1)


def effective_count(problem: LocalObjective, weights: FloatArray, *, temper: float) -> float:
    """The factor that turns a store's loss into a log-likelihood: demand / (dispersion · temper),
    with Pearson's dispersion at the given weights. It has no unit."""
    mean = np.exp(problem.offset + linear_predictor(problem.design, weights))
    square = float(((problem.target - mean) ** 2).sum())
    demand = float(mean.sum())
    return problem.total * demand / max(square, 1e-12 * demand**2) / temper


def spread(
    problem: LocalObjective, *, centre: FloatArray, ridge: float, temper: float, steps: int = 4
) -> WeightDeviation:
    """The deviation of a store's own optimum from ``centre``, the chain's weights. A ridge towards
    the centre keeps the optimum finite. ``temper``, the sightings, multiplies the sampling
    variance."""
    penalty = ridge_penalty(problem.size, ridge)
    own = minimised(problem, start=centre, centre=centre, penalty=penalty, steps=steps)
    curve = hessian(problem, own)
    inverse = np.linalg.inv(curve + np.diag(penalty + 1e-6))
    count = effective_count(problem, own, temper=temper)
    sampling = np.einsum("ij,jk,ki->i", inverse, curve, inverse) / max(count, 1e-9)
    return WeightDeviation((own - centre) ** 2, np.asarray(sampling))


def prior_variance(excess: FloatArray) -> FloatArray:
    """(size,): the variance of the stores' weights around the chain's, from the mean excess of all
    stores; never below 0."""
    return np.clip(excess, 0.0, LARGEST_VARIANCE)


def personal_weights(
    problem: LocalObjective,
    *,
    centre: FloatArray,
    variance: FloatArray,
    temper: float,
    steps: int = 5,
) -> FloatArray:
    """(size,): a store's weights: the mode under the prior N(centre, variance). A weight whose
    variance is 0 stays the chain's; without examples, all of them do."""
    if len(problem.target) == 0:
        return centre.astype(np.float64)
    count = effective_count(problem, centre, temper=temper)
    penalty = 1.0 / np.maximum(variance, _LEAST_VARIANCE) / max(count, 1e-9)
    return minimised(problem, start=centre, centre=centre, penalty=penalty, steps=steps)
