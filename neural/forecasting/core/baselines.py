"""Simple forecasting rules that need no training; learned forecasts are judged against them.

Pure.
"""

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.features import Examples
from neural.forecasting.core.lags import Past
from neural.forecasting.core.series import FloatArray, Sales

STEADY_DAYS = 56
"""With so many known days of a dish, its forecast is the model's alone."""
LONGEST_LOOK_BACK = 8
"""The number of weeks that are searched for an open day of the same weekday."""


def seasonal_naive(sales: Sales, examples: Examples) -> FloatArray:
    """(n,): the sales on the last open day of the same weekday up to the origin; the dish's level
    if the store was open on none of the last eight."""
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
    """(n,): the mean sales on the same weekday in the last ``weeks`` weeks up to the origin; the
    dish's level if the store was open on none of them."""
    sold, count = Past(sales.quantities).weekday_sums(weeks)
    row, dish = _weekday_row(examples), examples.dish
    at = np.maximum(row, 0)
    known = np.where(row >= 0, count[at, dish], 0.0)
    mean = sold[at, dish] / np.maximum(known, 1.0)
    return np.where(known > 0, mean, np.exp(examples.offset))


def steadied(sales: Sales, examples: Examples, mean: FloatArray) -> FloatArray:
    """(n,): a model's forecast, averaged with the weekday mean where a dish has been sold for some
    weeks. Half of each is best from two to six weeks; a model soon does better alone, and of the
    first days the rule knows less than the model."""
    days = examples.known_days
    share = np.clip(np.minimum(days, STEADY_DAYS - days) / (STEADY_DAYS / 2), 0.0, 0.5)
    return np.asarray(mean + share * (weekday_mean(sales, examples) - mean))


def _weekday_row(examples: Examples) -> NDArray[np.int64]:
    """The row of the last same weekday up to the origin; negative if before the first day."""
    weeks = -(-examples.horizon.astype(np.int64) // 7)
    return examples.day.astype(np.int64) - 7 * weeks
