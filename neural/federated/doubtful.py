"""Days that are beyond belief: 100,000 typed for 100. Pure.

Such a day counts as one of which nothing is known. It would lift a level of 28 days to many times
what is sold, and a forecast with it; what was truly sold so on one day says little of the next.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from neural.federated.series import FloatArray

TIMES = 20.0
"""A day is doubtful beyond so many times the median of the days with sales before it."""
LEAST = 200.0
"""Never below so many portions: of a dish that hardly sells, a large order is nothing unusual."""
WINDOW_DAYS = 28
LEAST_DAYS = 7
"""With fewer days of sales known, nothing can be said."""


class DoubtfulDay(NamedTuple):
    """A day of a dish of which what was reported is not believed."""

    row: int
    column: int
    reported: float
    usual: float
    """The median that it was compared with."""


def doubtful_days(quantities: FloatArray) -> list[DoubtfulDay]:
    """Of (days, dishes) quantities, NaN where nothing is known, those that are beyond belief.

    Each is compared with the 28 days before it, those that are doubtful among them: after two
    weeks of it a new level is believed. The first days are compared with the first 28.
    """
    candidates = np.isfinite(quantities) & (quantities > LEAST)
    found = []
    for column in np.flatnonzero(candidates.any(axis=0)):
        median = _usual(quantities[:, column])
        with np.errstate(invalid="ignore"):  # no median: False
            doubtful = candidates[:, column] & (quantities[:, column] > TIMES * median)
        found += [
            DoubtfulDay(int(row), int(column), float(quantities[row, column]), float(median[row]))
            for row in np.flatnonzero(doubtful)
        ]
    return sorted(found)


def without(quantities: FloatArray, doubtful: list[DoubtfulDay]) -> FloatArray:
    """The quantities, with NaN on these days."""
    believed = quantities.copy()
    for each in doubtful:
        believed[each.row, each.column] = np.nan
    return believed


def _usual(sold: FloatArray) -> FloatArray:
    """(days,): the median of the days with sales before each; NaN with fewer than 7 of them."""
    padded = np.concatenate([np.full(WINDOW_DAYS, np.nan), np.where(sold > 0, sold, np.nan)])
    before = np.sort(sliding_window_view(padded, WINDOW_DAYS)[: len(sold)], axis=1)  # NaN last
    known = np.isfinite(before).sum(axis=1)
    middle = np.maximum(known - 1, 0) // 2, known // 2
    rows = np.arange(len(sold))
    low, high = (before[rows, np.minimum(each, WINDOW_DAYS - 1)] for each in middle)
    median = np.where(known >= LEAST_DAYS, (low + high) / 2, np.nan)
    early = known < LEAST_DAYS
    first = sold[:WINDOW_DAYS]
    first = first[first > 0]
    if len(first) >= LEAST_DAYS:
        median[early] = np.median(first)
    return median
