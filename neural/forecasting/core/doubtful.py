"""Finds implausible reports, such as 100,000 typed for 100. Pure.

The demand of such a day counts as unknown. It would raise the level of 28 days, and with it the
forecast, to many times the usual sales. Even a real quantity like this says little about the
following days.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from neural.forecasting.core.series import FloatArray

TIMES = 5.0
"""A day is doubtful if it sold more than this many times the third best of the days before it. In
the data of a bakery's and a grocer's shops, this is so for 7 of 216,000 days of dishes."""
LEAST = 20.0
"""A day with at most this many portions is never doubtful: for a dish that hardly sells, such an
order is not unusual."""
SEEN_BEFORE = 3
"""A quantity reached on this many of the days before is believed. So a new level is believed from
its fourth day on, and so is a weekday that sells many times the others."""
WINDOW_DAYS = 28
"""The number of earlier days with sales that a day is compared with. Days without sales are
skipped, so a dish that sells once a week has enough of them, too."""
LEAST_DAYS = 7
"""With fewer days of sales, no day is doubtful."""


class DoubtfulDay(NamedTuple):
    """A dish's day whose reported quantity is not believed."""

    row: int
    column: int
    reported: float
    usual: float
    """The median of the days that this one was compared with."""


def doubtful_days(quantities: FloatArray) -> list[DoubtfulDay]:
    """The implausible days among ``quantities``, (days, dishes), NaN where nothing is known.

    Each day is compared with the 28 days with sales before it, including doubtful ones. The first
    days of a dish are compared with its first 28.
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
    """A copy of the quantities, with NaN on the doubtful days."""
    believed = quantities.copy()
    for each in doubtful:
        believed[each.row, each.column] = np.nan
    return believed


def _beyond_belief(sold: FloatArray) -> list[tuple[int, float]]:
    """The doubtful places among days with sales, each with its usual quantity."""
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
    """The least of the three days before each day. A doubtful day is far above it, so this cheap
    test spares most days the full comparison."""
    padded = np.concatenate([np.zeros(SEEN_BEFORE), sold[:-1]])
    least: FloatArray = sliding_window_view(padded, SEEN_BEFORE).min(axis=1)
    return least


def _compared_with(sold: FloatArray, place: int) -> FloatArray:
    if place < WINDOW_DAYS:
        return sold[:WINDOW_DAYS]
    return sold[max(place - WINDOW_DAYS, 0) : place]
