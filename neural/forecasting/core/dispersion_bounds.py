"""What one store may say of how errors scatter, so that it does not decide it for all. Pure.

The width of every band comes from sums of the stores' residuals. A store that sends enormous ones
would have everybody prepare nothing, or anything; so each is bounded by what the others say.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from neural.forecasting.core.dispersion import LARGEST_RATIO, SUMS, Sums
from neural.forecasting.core.series import FloatArray

STORES_TO_BOUND = 5
"""Fewer stores have no majority worth the name."""
MOST_TIMES_MEDIAN = 2.5
"""No store counts for more rows than so many times the median store."""
MOST_SCATTER = 3.0
"""No store's errors count for more than so many times what is usual at its demand."""
_TOLERANCE = 1e-6

ByHalf = Mapping[str, Sums]


def are_possible(sums: Sums) -> bool:
    """Whether there are residuals that add up to these sums (of one store, by bucket)."""
    count, mean, square, ratio, residual = (np.array(sums[name]) for name in SUMS)
    more = 1.0 + _TOLERANCE
    return bool(
        (mean**2 <= count * square * more).all()
        and (ratio <= LARGEST_RATIO * count * more).all()
        and (residual <= LARGEST_RATIO * mean * more).all()
    )


def bounded(parts: Sequence[ByHalf]) -> list[ByHalf]:
    """The sums of the stores, by half, none of which counts for more than the bounds allow.

    How much scatter is usual follows from the median store: 1 + α·demand a row, in units of
    chance. So it does not matter how large a store is.
    """
    if len(parts) < STORES_TO_BOUND:
        return list(parts)
    halves = list(parts[0])
    sums = {name: np.array([[of[half][name] for half in halves] for of in parts]) for name in SUMS}
    weight = _weights(sums)
    sums = {name: each * weight[:, None] for name, each in sums.items()}
    ratio, residual = _scatter(sums)
    sums["ratio"], sums["residual"] = sums["ratio"] * ratio, sums["residual"] * residual
    return [
        {
            half: {name: sums[name][store, place].tolist() for name in SUMS}
            for place, half in enumerate(halves)
        }
        for store in range(len(parts))
    ]


def _weights(sums: Mapping[str, FloatArray]) -> FloatArray:
    """(stores, buckets), at most 1: by rows, and by squared forecasts, of which no store has more
    than all others together."""
    count, square = sums["count"].sum(axis=1), sums["square"].sum(axis=1)
    weight = _at_most(count, MOST_TIMES_MEDIAN * _median(count, count))
    square = square * weight
    return weight * _at_most(square, square.sum(axis=0) - square)


def _scatter(sums: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """What is left of the errors, by forecast and not: (stores, 1, buckets) each, at most 1."""
    count, mean, square, ratio, residual = (sums[name].sum(axis=1) for name in SUMS)
    beyond = np.maximum(ratio - count, 0.0) / np.where(mean > 0, mean, 1.0)
    alpha = _median(beyond, count)
    usual = count + alpha * mean, mean + alpha * square
    by_forecast = _at_most(ratio, MOST_SCATTER * usual[0])
    return by_forecast[:, None], _at_most(residual, MOST_SCATTER * usual[1])[:, None]


def _median(values: FloatArray, count: FloatArray) -> FloatArray:
    """(buckets,): of the stores that have residuals there; 0 where none has."""
    found = [column[there > 0] for column, there in zip(values.T, count.T, strict=True)]
    return np.array([np.median(each) if len(each) else 0.0 for each in found])


def _at_most(values: FloatArray, limit: FloatArray) -> FloatArray:
    """What values are to be multiplied by to be within the limit."""
    factor = np.broadcast_to(limit, values.shape) / np.where(values > 0, values, 1.0)
    return np.where(values > 0, np.minimum(factor, 1.0), 1.0)
