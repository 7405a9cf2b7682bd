"""Finds implausible reports, such as 100,000 typed for 100, and days that deviate. Pure.

The demand of an implausible day counts as unknown. It would raise the level of 28 days, and with it
the forecast, to many times the usual sales. Even a real quantity like this says little about the
following days.

A day that deviates less counts, but not without limit: a forecast is kept near the one that is made
without the :data:`FEW` days that deviate most. A quantity that a person has confirmed is neither
implausible nor among these days.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from neural.forecasting.core.series import BoolArray, FloatArray

TIMES = 5.0
"""A day is doubtful if it sold more than this many times the fourth best of the days before it. In
the data of a bakery's and a grocer's shops, this is so for 3 of 216,000 days of dishes."""
LEAST = 20.0
"""A day with at most this many portions is never doubtful: for a dish that hardly sells, such an
order is not unusual."""
FEW = 4
"""A person must confirm what so many days alone say, if it is far from what other days say."""
SEEN_BEFORE = FEW
"""A quantity reached on this many of the days before is believed. So a new level is believed from
its fifth day on, and so is a weekday that sells many times the others."""
WINDOW_DAYS = 28
"""The number of earlier days with sales that a day is compared with. Days without sales are
skipped, so a dish that sells once a week has enough of them, too."""
LEAST_DAYS = 7
"""With fewer days of sales, no day is doubtful."""
WEEKDAYS, LEAST_WEEKDAYS = 11, 3
"""Days deviate from the median of so many same weekdays (which four of them do not move), or from
the median of all days if fewer than three are known."""
SOFTENING = 2.0
"""Portions that are added to both sides, because few portions deviate by chance."""


class DoubtfulDay(NamedTuple):
    """A dish's day whose reported quantity is not believed."""

    row: int
    column: int
    reported: float
    usual: float
    """The median of the days that this one was compared with."""


def doubtful_days(quantities: FloatArray, confirmed: BoolArray | None = None) -> list[DoubtfulDay]:
    """The implausible days among ``quantities``, (days, dishes), NaN where nothing is known, and
    not ``confirmed``.

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
    return sorted(
        each for each in found if confirmed is None or not confirmed[each.row, each.column]
    )


def without(quantities: FloatArray, doubtful: list[DoubtfulDay]) -> FloatArray:
    """A copy of the quantities, with NaN on the doubtful days."""
    believed = quantities.copy()
    for each in doubtful:
        believed[each.row, each.column] = np.nan
    return believed


class Deviating(NamedTuple):
    """The days of each dish that deviate most from what is usual."""

    high: list[DoubtfulDay]
    low: list[DoubtfulDay]


def deviating_days(
    quantities: FloatArray, week: FloatArray, confirmed: BoolArray | None = None
) -> Deviating:
    """Of each dish, the :data:`FEW` days that sold most above, and most below what is usual, in the
    last eleven weeks, without those that are ``confirmed``. Of a dish with a short history it is
    one day for every two weeks.

    ``week``, (days,): what is usual on each day / on all days, where too few weeks are known.
    """
    usual = _usual(quantities, week)
    with np.errstate(invalid="ignore"):
        far = np.log((quantities + SOFTENING) / (usual + SOFTENING))
    if confirmed is not None:
        far = np.where(confirmed, 0.0, far)
    found = Deviating([], [])
    for column, of_dish in enumerate(far.T):
        known = np.flatnonzero(np.isfinite(of_dish))
        most = min(FEW, len(known) // 14)
        for sign, days in zip((1.0, -1.0), found, strict=True):
            deviation = _without_a_new_level(sign * of_dish[known])
            order = np.argsort(-deviation, kind="stable")[:most]
            days += [
                DoubtfulDay(row, column, float(quantities[row, column]), float(usual[row, column]))
                for row in known[order[deviation[order] > 0]].tolist()
            ]
    return found


def _usual(quantities: FloatArray, week: FloatArray) -> FloatArray:
    """(days, dishes): what each of the last eleven weeks' days usually sells; NaN before."""
    usual = np.full(quantities.shape, np.nan)
    first = max(len(quantities) - 7 * WEEKDAYS, 0)
    last, of_week = quantities[first:], week[first:, None]
    usual[first:] = _median(last / of_week) * of_week
    for weekday in range(min(7, len(last))):
        same = last[weekday::7]
        enough = np.isfinite(same).sum(axis=0) >= LEAST_WEEKDAYS
        usual[first + weekday :: 7, enough] = _median(same[:, enough])
    return usual


def _median(values: FloatArray) -> FloatArray:
    """(dishes,): the median of the known days; NaN if there are none."""
    known = np.isfinite(values).any(axis=0)
    found = np.full(values.shape[1], np.nan)
    found[known] = np.nanmedian(values[:, known], axis=0)
    return found


def _without_a_new_level(above: FloatArray) -> FloatArray:
    """How far each day is above what is usual; 0 for those that more than :data:`FEW` last days
    agree about, because they are all at least half as far."""
    agreed = 2.0 * above[-FEW - 1 :].min(initial=np.inf)
    return np.where(above <= agreed, 0.0, above)


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
    """The least of the four days before each day. A doubtful day is far above it, so this cheap
    test spares most days the full comparison."""
    padded = np.concatenate([np.zeros(SEEN_BEFORE), sold[:-1]])
    least: FloatArray = sliding_window_view(padded, SEEN_BEFORE).min(axis=1)
    return least


def _compared_with(sold: FloatArray, place: int) -> FloatArray:
    if place < WINDOW_DAYS:
        return sold[:WINDOW_DAYS]
    return sold[max(place - WINDOW_DAYS, 0) : place]
