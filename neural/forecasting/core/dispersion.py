"""How far sales scatter around a forecast, and the quantiles that follow. Pure.

The variance of a day's sales around its forecast m is φ·m + α·m². Chance alone has φ = 1, α = 0
(Poisson); α is the forecasts' proportional error. Both are fitted to residuals of days that nobody
trained on, by horizon, from sums that add up across stores. Portions are whole numbers and get the
quantiles of a negative binomial distribution. Amounts that are not whole (weighed goods), and sales
that scatter less than by chance, get those of a gamma distribution.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.evaluation import QUANTILES
from neural.forecasting.core.lags import CHAINS_DAYS, LEAST_DAYS
from neural.forecasting.core.series import FloatArray

LAST_OF_BUCKET = (1, 7, 14)
"""The last horizon of each bucket: tomorrow, the rest of the week, the week after."""
SUMS = ("count", "mean", "square", "ratio", "residual")
LEAST_COUNT = 20
"""A bucket with fewer residuals uses those of all buckets."""
LARGEST_RATIO = 400.0
"""Limit for one day's squared residual / forecast, so that a single feast does not widen every
band."""
LEAST_PHI = 0.05
LEAST_MEAN = 1e-3
EXACT_BELOW = 30.0
"""Below this forecast, the probabilities of whole numbers are added up one by one."""

Sums = dict[str, list[float]]


def bucket_of(horizon: NDArray[np.integer]) -> NDArray[np.intp]:
    """The bucket of each horizon (1 to 14)."""
    last = np.array(LAST_OF_BUCKET)
    return np.minimum(np.searchsorted(last, horizon), len(last) - 1)


def residual_sums(target: FloatArray, mean: FloatArray, horizon: NDArray[np.integer]) -> Sums:
    """A store's sums by bucket: count, Σm, Σm², Σr²/m, Σr². Unknown targets do not count."""
    known = np.isfinite(target)
    m, bucket = np.maximum(mean[known], LEAST_MEAN), bucket_of(horizon[known])
    square = np.minimum((target[known] - m) ** 2, LARGEST_RATIO * m)
    columns = {"count": np.ones_like(m), "mean": m, "square": m**2}
    columns |= {"ratio": square / m, "residual": square}
    size = len(LAST_OF_BUCKET)
    # Without residuals, numpy returns whole numbers even though the weights are floats.
    sums = {name: np.bincount(bucket, each, size) for name, each in columns.items()}
    return {name: each.astype(np.float64).tolist() for name, each in sums.items()}


@dataclass(frozen=True)
class Dispersion:
    """The scatter around forecasts: ``phi`` and ``alpha`` for each bucket of horizons."""

    phi: tuple[float, ...]
    alpha: tuple[float, ...]

    def as_json(self) -> dict[str, list[float]]:
        """The dispersion as JSON for the server state."""
        return {"phi": list(self.phi), "alpha": list(self.alpha)}

    @classmethod
    def from_json(cls, value: Mapping[str, list[float]]) -> "Dispersion":
        """The dispersion that :meth:`as_json` wrote."""
        return cls(tuple(value["phi"]), tuple(value["alpha"]))

    def variance(self, mean: FloatArray, horizon: NDArray[np.integer]) -> FloatArray:
        """(n,): the variance of sales around these forecasts, in portions²."""
        bucket = bucket_of(horizon)
        phi, alpha = np.array(self.phi)[bucket], np.array(self.alpha)[bucket]
        m = np.maximum(mean, LEAST_MEAN)
        return np.asarray(phi * m + alpha * m**2)

    def quantiles(
        self,
        mean: FloatArray,
        horizon: NDArray[np.integer],
        *,
        whole: bool,
        known_days: NDArray[np.integer] | None = None,
    ) -> FloatArray:
        """(n, 3): P10, P50 and P90 around these forecasts, in portions. ``whole``: the store sells
        whole numbers only. ``known_days`` of each dish widen the bands of new dishes: the mean
        of n days scatters by 1 / n of what a day does."""
        m = np.maximum(mean, LEAST_MEAN)
        variance = self.variance(m, horizon)
        if known_days is not None:
            wider = 1.0 + 1.0 / (known_days + CHAINS_DAYS)
            variance = np.where(known_days < LEAST_DAYS, wider, 1.0) * variance
        columns = [_gamma_quantile(m, variance, level) for level in QUANTILES]
        found = np.stack(columns, axis=1)
        if whole:
            few = (m < EXACT_BELOW) & (variance > m)
            found[few] = _counted_quantiles(m[few], variance[few])
            # A count has no halves, so the others are rounded to whole numbers.
            found = np.rint(found)
        return found


def fitted(parts: Iterable[Mapping[str, list[float]]]) -> Dispersion:
    """The dispersion fitted to the residuals of all stores (``parts``: the sums of each store).

    It is the least squares fit of r²/m to φ + α·m, which weights a residual by its forecast.
    Without residuals it is the scatter of chance alone."""
    total = {name: np.zeros(len(LAST_OF_BUCKET)) for name in SUMS}
    for part in parts:
        for name in SUMS:
            total[name] += np.array(part[name])
    everything = {name: float(values.sum()) for name, values in total.items()}
    pairs = []
    for place in range(len(LAST_OF_BUCKET)):
        own = {name: float(values[place]) for name, values in total.items()}
        pairs.append(_fit(own if own["count"] >= LEAST_COUNT else everything))
    phi, alpha = zip(*pairs, strict=True)
    return Dispersion(phi, alpha)


def _fit(sums: Mapping[str, float]) -> tuple[float, float]:
    count, mean, square = sums["count"], sums["mean"], sums["square"]
    if count < 1:
        return 1.0, 0.0
    determinant = count * square - mean**2
    if determinant > 1e-9 * count * square:
        phi = (sums["ratio"] * square - sums["residual"] * mean) / determinant
        alpha = (count * sums["residual"] - mean * sums["ratio"]) / determinant
        if phi >= LEAST_PHI and alpha >= 0:
            return phi, alpha
        if phi < LEAST_PHI:
            return LEAST_PHI, max((sums["residual"] - LEAST_PHI * mean) / square, 0.0)
    return max(sums["residual"] / mean, LEAST_PHI), 0.0


def _counted_quantiles(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """(n, 3): P10, P50 and P90 of a negative binomial variable with this mean and variance, added
    up by p(k + 1) / p(k) = (k + r) / (k + 1) · (1 - s), r = m² / (v - m), s = m / v."""
    size, share = mean**2 / (variance - mean), mean / variance
    probability = np.exp(size * np.log(share))
    reached, found = probability.copy(), np.full((len(mean), len(QUANTILES)), np.nan)
    most = math.ceil(EXACT_BELOW + 12 * math.sqrt(float(variance.max(initial=1.0))))
    for count in range(most):
        for place, level in enumerate(QUANTILES):
            now = np.isnan(found[:, place]) & (reached >= level)
            found[now, place] = count
        if not np.isnan(found[:, -1]).any():
            break
        probability = probability * (count + size) / (count + 1) * (1 - share)
        reached = reached + probability
    return np.where(np.isnan(found), float(most), found)


def _gamma_quantile(mean: FloatArray, variance: FloatArray, level: float) -> FloatArray:
    """(n,): the quantile of the gamma distribution with this mean and variance. From a shape of 3
    on, Wilson and Hilferty's cube root (1931) is good to a per cent; below, it is bisected."""
    shape = mean**2 / variance
    ninth = 1.0 / (9.0 * shape)
    root = 1.0 - ninth + NormalDist().inv_cdf(level) * np.sqrt(ninth)
    found = shape * np.maximum(root, 0.0) ** 3
    small = shape < 3.0
    if small.any():
        found[small] = _bisected(shape[small], level)
    return np.asarray(found * variance / mean)


def _bisected(shape: FloatArray, level: float) -> FloatArray:
    low, high = np.zeros_like(shape), shape + 12.0 * np.sqrt(shape) + 4.0
    for _ in range(50):
        middle = (low + high) / 2
        below = _gamma_share(shape, middle) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def _gamma_share(shape: FloatArray, value: FloatArray) -> FloatArray:
    """The regularised lower incomplete gamma function, by its series (DLMF 8.11.4)."""
    term = 1.0 / shape
    total = term.copy()
    for step in range(1, 120):
        term = term * value / (shape + step)
        total = total + term
    logarithm = shape * np.log(np.maximum(value, 1e-300)) - value
    gammas = np.array([math.lgamma(each) for each in shape])
    return np.asarray(np.exp(logarithm - gammas) * total)
