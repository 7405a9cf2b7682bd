"""The linear model: a Poisson regression trained at the stores, with personal weights. Pure.

The forecast is exp(offset + intercept + x · weights), where x is standardised by the chain's means
and scales. A store's loss is its Poisson loss divided by its total demand, so the penalties mean
the same whatever the size of a store or the unit of its quantities. Weights are float64 vectors,
the intercept first; the ridge does not penalise the intercept.

Personal weights are learned by empirical Bayes (Robbins 1956; Efron and Morris 1973): the stores'
own optima scatter around the chain's weights because stores differ and because each store has few
data. The scatter minus the sampling variance is the prior variance of a weight, and a store's
weights are the mode under that prior. The centre stays the chain's weights; estimating a new one
made forecasts worse."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.features import Examples
from neural.forecasting.core.series import FloatArray

FARTHEST = 3.0
"""A forecast is within exp(-3) and exp(3) times its level, so bad weights cannot overflow."""
LEAST_SCALE = 0.15
"""The smallest scale. It keeps a feature that hardly varies (a flag of a few days) from being
blown up."""
LARGEST_VALUE = 8.0
"""Standardised values are clipped to ± this value."""

RATE = 0.2
"""The length of a local gradient step, for standardised features."""

_HALVINGS = 6
_NO_DIFFERENCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Standard:
    """The means and scales by which the features are standardised."""

    mean: FloatArray
    """(features,)"""
    scale: FloatArray
    """(features,)"""

    @property
    def size(self) -> int:
        """The number of weights of a model: one for each feature, and the intercept."""
        return len(self.mean) + 1

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 1 + features): a column of ones, then (value - mean) / scale, clipped."""
        design = np.empty((values.shape[0], values.shape[1] + 1), dtype=np.float32)
        design[:, 0] = 1.0
        scaled = design[:, 1:]
        np.subtract(values, self.mean.astype(np.float32), out=scaled)
        scaled *= (1.0 / self.scale).astype(np.float32)
        np.minimum(scaled, LARGEST_VALUE, out=scaled)
        np.maximum(scaled, -LARGEST_VALUE, out=scaled)
        return design


def standard_sums(values: NDArray[np.float32]) -> dict[str, FloatArray]:
    """A store's contribution to the standard: count (1,), sums and sums of squares (features,)."""
    wide = values.astype(np.float64)
    return {
        "count": np.array([float(len(wide))]),
        "sums": wide.sum(axis=0),
        "squares": np.einsum("ij,ij->j", wide, wide),
    }


def agreed_standard(sums: Iterable[Mapping[str, FloatArray]]) -> Standard:
    """Means and scales over the examples of all stores. Raises ValueError without examples."""
    parts = list(sums)
    count = sum(float(part["count"][0]) for part in parts)
    if count <= 0:
        raise ValueError("no store has an example")
    mean = np.sum([part["sums"] for part in parts], axis=0) / count
    square = np.sum([part["squares"] for part in parts], axis=0) / count
    scale = np.sqrt(np.maximum(square - mean**2, 0.0))
    # A constant feature is scaled by 1: its column is then zero, and its weight stays zero.
    scale = np.where(scale < _NO_DIFFERENCE, 1.0, np.maximum(scale, LEAST_SCALE))
    return Standard(mean=mean, scale=scale)


@dataclass(frozen=True, kw_only=True)
class LocalObjective:
    """A store's loss: its examples in the form that the loss needs."""

    design: NDArray[np.float32]
    """(n, 1 + features), standardised; the first column is ones."""
    offset: FloatArray
    target: FloatArray
    total: float
    """The demand that the loss is divided by."""

    @property
    def size(self) -> int:
        """The number of weights."""
        return int(self.design.shape[1])


def problem(examples: Examples, standard: Standard) -> LocalObjective:
    """The loss of a store's examples, whose targets must all be known."""
    total = max(float(examples.target.sum()), float(np.exp(examples.offset).sum()) * 1e-3, 1e-9)
    return LocalObjective(
        design=standard.apply(examples.values),
        offset=examples.offset,
        target=examples.target,
        total=total,
    )


def linear_predictor(design: NDArray[np.float32], weights: FloatArray) -> FloatArray:
    """(n,): log of forecast / level, clipped to ±3."""
    predictor = (design @ weights.astype(np.float32)).astype(np.float64)
    return np.minimum(np.maximum(predictor, -FARTHEST), FARTHEST)


def forecast(examples: Examples, standard: Standard, weights: FloatArray) -> FloatArray:
    """(n,): expected portions."""
    design = standard.apply(examples.values)
    return np.asarray(np.exp(examples.offset + linear_predictor(design, weights)))


def loss(problem: LocalObjective, weights: FloatArray) -> float:
    """Σ (m - y log m) / total demand, without the terms that do not depend on the weights."""
    predictor = linear_predictor(problem.design, weights)
    mean = np.exp(problem.offset + predictor)
    return float((mean - problem.target * predictor).sum() / problem.total)


def gradient(problem: LocalObjective, weights: FloatArray) -> FloatArray:
    """(size,): the gradient of :func:`loss`."""
    mean = np.exp(problem.offset + linear_predictor(problem.design, weights))
    return _product(problem, (mean - problem.target) / problem.total)


def hessian(problem: LocalObjective, weights: FloatArray) -> FloatArray:
    """(size, size): the Hessian of :func:`loss`."""
    mean = np.exp(problem.offset + linear_predictor(problem.design, weights))
    return _weighted_square(problem, mean / problem.total)


def _product(problem: LocalObjective, each: FloatArray) -> FloatArray:
    return (each.astype(np.float32) @ problem.design).astype(np.float64)


def _weighted_square(problem: LocalObjective, each: FloatArray) -> FloatArray:
    roots = np.sqrt(each).astype(np.float32)
    rooted = problem.design * roots[:, None]
    return (rooted.T @ rooted).astype(np.float64)


def minimised(
    problem: LocalObjective,
    *,
    start: FloatArray,
    centre: FloatArray,
    penalty: FloatArray,
    steps: int,
) -> FloatArray:
    """Weights near the minimum of loss + Σ penalty (w - centre)² / 2.

    Uses Newton's method, and halves a step that makes the value worse. ``penalty`` is (size,).
    Stops early when a step changes next to nothing.
    """
    weights = start.astype(np.float64)

    def value(of: FloatArray) -> float:
        return loss(problem, of) + float(penalty @ (of - centre) ** 2) / 2.0

    now = value(weights)
    for _ in range(steps):
        slope = gradient(problem, weights) + penalty * (weights - centre)
        curve = hessian(problem, weights)
        curve[np.diag_indices_from(curve)] += penalty + 1e-6
        step = np.linalg.solve(curve, slope)
        for halving in range(_HALVINGS):
            trial = weights - step * 0.5**halving
            then = value(trial)
            if then <= now:
                break
        else:
            break
        done, weights, now = now - then < 1e-7, trial, then
        if done:
            break
    return weights


def ridge_penalty(size: int, ridge: float) -> FloatArray:
    """(size,): the ridge for every weight, 0 for the intercept."""
    penalty = np.full(size, ridge)
    penalty[0] = 0.0
    return penalty


def fedprox(
    problem: LocalObjective, *, broadcast: FloatArray, ridge: float, proximal: float, steps: int = 3
) -> FloatArray:
    """A store's weights after local training near the broadcast weights (Li et al. 2020,
    "Federated optimization in heterogeneous networks"): steps towards the minimum of loss +
    ridge |w|²/2 + proximal |w - broadcast|²/2. Without the proximal term it is FedAvg (McMahan et
    al. 2017).

    It takes a few gradient steps instead of reaching the minimum: the mean of the stores' minima
    is not the minimum of their mean loss, and forecasts from it were 2 % worse. A step that does
    not reduce the store's objective is halved, so no store's data can make training diverge.
    """
    shrink = ridge_penalty(problem.size, ridge)
    weights = broadcast.astype(np.float64)
    rate = RATE / (1.0 + RATE * proximal)

    def value(of: FloatArray) -> float:
        pulled = proximal * float(((of - broadcast) ** 2).sum())
        return loss(problem, of) + (float(shrink @ of**2) + pulled) / 2.0

    now = value(weights)
    for _ in range(steps):
        slope = gradient(problem, weights) + shrink * weights + proximal * (weights - broadcast)
        for halving in range(_HALVINGS):
            trial = weights - rate * 0.5**halving * slope
            then = value(trial)
            if then <= now:
                weights, now = trial, then
                break
    return weights


def local(problem: LocalObjective, *, ridge: float, steps: int = 8) -> FloatArray:
    """A store's weights trained on its own examples alone."""
    nothing = np.zeros(problem.size)
    penalty = ridge_penalty(problem.size, ridge)
    return minimised(problem, start=nothing, centre=nothing, penalty=penalty, steps=steps)


# Personal weights


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
