"""Forecasts that need no learning, to judge learned ones by. Pure."""

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.features import Examples
from neural.forecasting.core.lags import Past
from neural.forecasting.core.series import FloatArray, Sales

LONGEST_LOOK_BACK = 8
"""So many weeks are looked through for a weekday that was open."""


def seasonal_naive(sales: Sales, examples: Examples) -> FloatArray:
    """(n,): what the same weekday sold when it was last open, at most h days before the target's
    origin; the dish's level where none of the last eight was."""
    past, row, dish = Past(sales.quantities), _weekday_row(examples), examples.dish
    forecast = np.full(len(examples), np.nan)
    for week in range(LONGEST_LOOK_BACK):
        at = row - 7 * week
        usable = np.isnan(forecast) & (at >= 0)
        found = past.known[np.maximum(at, 0), dish] > 0
        there = usable & found
        forecast[there] = past.sold[at[there], dish[there]]
    return np.where(np.isnan(forecast), np.exp(examples.offset), forecast)


def weekday_mean(sales: Sales, examples: Examples, *, weeks: int = 4) -> FloatArray:
    """(n,): mean of the same weekday over the last weeks up to the origin; the dish's level where
    none of them was open."""
    sold, count = Past(sales.quantities).weekday_sums(weeks)
    row, dish = _weekday_row(examples), examples.dish
    at = np.maximum(row, 0)
    known = np.where(row >= 0, count[at, dish], 0.0)
    mean = sold[at, dish] / np.maximum(known, 1.0)
    return np.where(known > 0, mean, np.exp(examples.offset))


def _weekday_row(examples: Examples) -> NDArray[np.int64]:
    """Row of the last same weekday that is no later than the origin; negative: before the first."""
    weeks = -(-examples.horizon.astype(np.int64) // 7)
    return examples.day.astype(np.int64) - 7 * weeks
