"""Days that are beyond belief: 100,000 typed for 100. Pure.

Such a day counts as one of which nothing is known. It would lift a level of 28 days to many times
what is sold, and a forecast with it; what was truly sold so on one day says little of the next.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from neural.forecasting.core.series import FloatArray

TIMES = 5.0
"""A day is doubtful beyond so many times what was sold on the third best of the days before it.
Of 216,000 days of dishes of a bakery's and a grocer's shops seven are."""
LEAST = 20.0
"""Never up to so many portions: of a dish that hardly sells, such an order is nothing unusual."""
SEEN_BEFORE = 3
"""What was sold on so many of the days before is believed: a new level on its fourth day, and a
weekday that sells many times the others."""
WINDOW_DAYS = 28
"""Compared with so many days with sales before: a dish that sells once a week has them, too."""
LEAST_DAYS = 7
"""With fewer days of sales known, nothing can be said."""


class DoubtfulDay(NamedTuple):
    """A day of a dish of which what was reported is not believed."""

    row: int
    column: int
    reported: float
    usual: float
    """The median of the days that it was compared with."""


def doubtful_days(quantities: FloatArray) -> list[DoubtfulDay]:
    """Of (days, dishes) quantities, NaN where nothing is known, those that are beyond belief.

    Each is compared with the 28 days with sales before it, those that are doubtful among them.
    The first days of a dish are compared with its first 28.
    """
    with np.errstate(invalid="ignore"):
        candidates = (quantities > LEAST).any(axis=0)
    found = []
    for column in np.flatnonzero(candidates):
        rows = np.flatnonzero(quantities[:, column] > 0)
        sold = quantities[rows, column]
        found += [
            DoubtfulDay(int(rows[place]), int(column), float(sold[place]), usual)
            for place, usual in _beyond_belief(sold)
        ]
    return sorted(found)


def without(quantities: FloatArray, doubtful: list[DoubtfulDay]) -> FloatArray:
    """The quantities, with NaN on these days."""
    believed = quantities.copy()
    for each in doubtful:
        believed[each.row, each.column] = np.nan
    return believed


def _beyond_belief(sold: FloatArray) -> list[tuple[int, float]]:
    """Of days with sales alone: which, and what was usual."""
    if len(sold) < LEAST_DAYS:
        return []
    places = np.flatnonzero((sold > LEAST) & (sold > TIMES * _least_of_last(sold)))
    before = [_compared_with(sold, place) for place in places.tolist()]
    return [
        (place, float(np.median(days)))
        for place, days in zip(places.tolist(), before, strict=True)
        if sold[place] > TIMES * np.partition(days, -SEEN_BEFORE)[-SEEN_BEFORE]
    ]


def _least_of_last(sold: FloatArray) -> FloatArray:
    """The least of the three days before each. No day is doubtful unless it is far above this
    one: to look no further at all others costs next to nothing."""
    padded = np.concatenate([np.zeros(SEEN_BEFORE), sold[:-1]])
    least: FloatArray = sliding_window_view(padded, SEEN_BEFORE).min(axis=1)
    return least


def _compared_with(sold: FloatArray, place: int) -> FloatArray:
    if place < WINDOW_DAYS:
        return sold[:WINDOW_DAYS]
    return sold[max(place - WINDOW_DAYS, 0) : place]
