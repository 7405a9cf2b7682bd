"""Personal weights: how far a store may go from the chain's, learned from all stores. Pure.

Empirical Bayes (Robbins 1956; Efron and Morris 1973): the stores' own optima scatter around the
chain's weights because stores differ and because every store has seen little. What is left of
the scatter when the sampling variance is taken off is the prior variance of a weight, and a
store's weights are the mode under that prior. The centre stays the chain's weights; estimating
it anew made forecasts worse.
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
    """What a store says of its own optimum; each (size,). ``deviation`` is the squared distance
    from the chain's weights, ``sampling`` how much of it chance alone would bring."""

    deviation: FloatArray
    sampling: FloatArray

    @property
    def excess(self) -> FloatArray:
        """(size,): what chance does not explain, within ± ``LARGEST_VARIANCE``."""
        return np.clip(self.deviation - self.sampling, -LARGEST_VARIANCE, LARGEST_VARIANCE)


def temper(days: float, sightings: float = 1.0) -> float:
    """What the noise of a store's examples is multiplied by when its weights are fitted, from its
    days of history: 3 with a year, about 30 with 80 days, at most 200; times the sightings.

    Examples of one store are not independent, the less the fewer weeks they come from, and a
    short history has not seen the year. Measured: benchmarks/forecasts.
    """
    part = min(max(days, 1.0), YEAR) / YEAR
    return float(min(TEMPER_OF_A_YEAR / part**1.5, MOST_TEMPER)) * sightings


def sightings(examples: Examples) -> float:
    """How many examples there are of one target on average: seen from several horizons it is
    still one day of one dish."""
    targets = examples.day.astype(np.int64) * (1 << 20) + examples.dish
    return len(targets) / max(len(np.unique(targets)), 1)


def effective_count(problem: LocalObjective, weights: FloatArray, *, temper: float) -> float:
    """By what a store's loss is multiplied to be a log-likelihood: demand / (dispersion · temper),
    the dispersion being Pearson's at the given weights. It has no unit."""
    mean = np.exp(problem.offset + linear_predictor(problem.design, weights))
    square = float(((problem.target - mean) ** 2).sum())
    demand = float(mean.sum())
    return problem.total * demand / max(square, 1e-12 * demand**2) / temper


def spread(
    problem: LocalObjective, *, centre: FloatArray, ridge: float, temper: float, steps: int = 4
) -> WeightDeviation:
    """A store's own optimum, under a ridge towards the centre that keeps it finite, compared with
    the centre. ``temper`` is what the sampling variance is multiplied by: the sightings."""
    penalty = ridge_penalty(problem.size, ridge)
    own = minimised(problem, start=centre, centre=centre, penalty=penalty, steps=steps)
    curve = hessian(problem, own)
    inverse = np.linalg.inv(curve + np.diag(penalty + 1e-6))
    count = effective_count(problem, own, temper=temper)
    sampling = np.einsum("ij,jk,ki->i", inverse, curve, inverse) / max(count, 1e-9)
    return WeightDeviation((own - centre) ** 2, np.asarray(sampling))


def prior_variance(excess: FloatArray) -> FloatArray:
    """(size,): variance of the stores around the chain's weights, from their mean excess: never
    below 0."""
    return np.clip(excess, 0.0, LARGEST_VARIANCE)


def personal_weights(
    problem: LocalObjective,
    *,
    centre: FloatArray,
    variance: FloatArray,
    temper: float,
    steps: int = 5,
) -> FloatArray:
    """(size,): a store's mode under the prior N(centre, variance). A weight whose variance is 0
    stays the chain's; without an example all do."""
    if len(problem.target) == 0:
        return centre.astype(np.float64)
    count = effective_count(problem, centre, temper=temper)
    penalty = 1.0 / np.maximum(variance, _LEAST_VARIANCE) / max(count, 1e-9)
    return minimised(problem, start=centre, centre=centre, penalty=penalty, steps=steps)
