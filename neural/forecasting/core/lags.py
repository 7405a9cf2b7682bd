"""Lag features: a store's past sales as of each day, as ratios to the dish's level. Pure.

Every array has one row for each known day. Row ``o`` uses the quantities of the rows up to and
including ``o``, and none after it. An unknown ratio is neutral: its logarithm is 0."""

from typing import NamedTuple

import numpy as np

from neural.forecasting.core.series import BoolArray, FloatArray, Sales

LEVEL_DAYS = 28
"""A dish's level is its mean over this many days."""
LEAST_DAYS = 7
"""With fewer known days, a dish is new: its level and its week are partly the chain's."""
CHAINS_DAYS, CHAINS_PORTIONS = 0.2, 2.0
"""The chain's usual level of a dish counts like this many days of a new dish, and that many
portions. Both follow from how far stores' levels lie apart (a factor of two), compared with how far
the days of a store do (a third, and chance)."""
MOST_TIMES_CHAIN = 5.0
"""A new dish's level is at most this many times the chain's, and at least this part of it. 99 % of
the levels of a bakery's and a grocer's stores lie within."""
LEAST_LEVEL = 1e-3
"""The lowest level, in portions: it keeps the logarithm finite."""
SOFTENING = 0.1
"""The share of the level that is added to both sides of a ratio. It gives a day without a sale a
finite logarithm (-2.4)."""


_NOTHING = 1e-6
"""A smaller sum counts as zero: it is a rounding error."""


def windowed(values: FloatArray, length: int) -> FloatArray:
    """Sums over the last ``length`` rows, the row itself included; over fewer at the beginning."""
    sums = np.cumsum(values, axis=0)
    sums[length:] -= sums[:-length].copy()
    return sums


def shifted(values: FloatArray, rows: int) -> FloatArray:
    """The values from ``rows`` rows earlier; 0 before the first."""
    if rows == 0:
        return values
    moved = np.zeros_like(values)
    moved[rows:] = values[:-rows]
    return moved


def weekly(values: FloatArray, weeks: int) -> FloatArray:
    """Sums over the same weekday of the last ``weeks`` weeks, the row itself included."""
    total = values.copy()
    for week in range(1, weeks):
        total[7 * week :] += values[: max(len(values) - 7 * week, 0)]
    return total


def log_ratio(sums: FloatArray, expected: FloatArray) -> FloatArray:
    """log of sums / expected, softened by :data:`SOFTENING`; 0 where ``expected`` is 0, because
    nothing is known there."""
    there = expected > _NOTHING
    ratio = np.divide(sums, expected, out=np.ones_like(sums), where=there)
    clipped = np.minimum(np.maximum(ratio, 0.0), 20.0)
    result: FloatArray = np.log((clipped + SOFTENING) / (1.0 + SOFTENING))
    return result


class Chain(NamedTuple):
    """What a chain knows of the dishes of a store, for the first days of each."""

    level: FloatArray
    """(dishes,): the usual portions a day; NaN where the chain has no usual level."""
    week: FloatArray
    """(days + HORIZONS,): the usual sales of a day like each, / those of all days."""

    @classmethod
    def unknown(cls, sales: Sales) -> "Chain":
        """Of a chain that knows none of the dishes, and no weekday."""
        return cls(np.full(len(sales.dishes), np.nan), np.ones(len(sales.closed)))


class Past:
    """Sums of a store's quantities, computed once and looked up by row.

    ``special``, (days,), marks days that are unlike others of their weekday (a holiday on a
    Tuesday, a Sunday that is worked). They count for the level, but not for a weekday's usual
    sales.

    A dish of fewer than :data:`LEAST_DAYS` known days is new. If a ``chain`` is given, the level of
    a new dish is estimated from its own days, each divided by what the chain usually sells on its
    weekday, and from the chain's level, which soon counts for little.
    """

    def __init__(
        self,
        quantities: FloatArray,
        special: BoolArray | None = None,
        chain: Chain | None = None,
    ) -> None:
        self.known = np.isfinite(quantities).astype(np.float64)
        self.ordinary = self.known if special is None else self.known * ~special[:, None]
        self.sold = np.where(np.isfinite(quantities), quantities, 0.0)
        self.history = np.cumsum(self.known, axis=0)
        self.is_new = self.history < LEAST_DAYS
        self.usual_days = (
            self.known if chain is None else self.known * chain.week[: len(self.known), None]
        )
        self.chains_days = np.zeros(quantities.shape[1])
        self.level = self._level()
        if chain is not None:
            self.level = np.where(self.is_new, self._first_level(chain.level), self.level)
        self.usual, self.comparable = self._usual()

    def _level(self) -> FloatArray:
        """Mean of the last 28 days plus one day at the mean of all days so far. So the level of a
        dish that has ever been sold is not zero after a month without a sale."""
        ever = np.cumsum(self.sold, axis=0) / np.maximum(self.history, 1.0)
        count = windowed(self.known, LEVEL_DAYS)
        level = (windowed(self.sold, LEVEL_DAYS) + ever) / (count + 1.0)
        return np.maximum(level, LEAST_LEVEL)

    def _first_level(self, usual: FloatArray) -> FloatArray:
        """The level by all days so far and the chain's usual one."""
        given = np.isfinite(usual) & (np.nan_to_num(usual) > 0)
        usual = np.where(given, usual, 1.0)
        self.chains_days = np.where(given, CHAINS_DAYS + CHAINS_PORTIONS / usual, 0.0)
        sold = np.cumsum(self.sold, axis=0) + self.chains_days * usual
        days = np.cumsum(self.usual_days, axis=0) + self.chains_days
        level = np.divide(sold, days, out=np.ones_like(sold), where=days > 0)
        # Of a dish that the chain does not know, the least day is compared with.
        least = np.minimum.accumulate(np.where(self.sold > 0, self.sold, np.inf))
        low = np.where(given, usual / MOST_TIMES_CHAIN, 0.0)
        high = np.where(given, usual, least) * MOST_TIMES_CHAIN
        return np.maximum(np.clip(level, low, high), LEAST_LEVEL)

    def mean_of_days(self, length: int) -> FloatArray:
        """log of the mean of the last ``length`` days / level. The few days of a new dish are
        compared with the chain's usual sales of their weekdays."""
        days = windowed(self.known, length)
        if self.is_new.any():
            days = np.where(self.is_new, windowed(self.usual_days, length), days)
        return log_ratio(windowed(self.sold, length), days * self.level)

    def trend(self) -> FloatArray:
        """log of the level / the mean of the 28 days before those that the level covers."""
        before = shifted(windowed(self.sold, LEVEL_DAYS), LEVEL_DAYS)
        count = shifted(windowed(self.known, LEVEL_DAYS), LEVEL_DAYS)
        return -log_ratio(before, count * self.level)

    def surprise(self, length: int) -> FloatArray:
        """log of the last days' sales / their expected sales, which are the means of the same
        weekdays of the four weeks before. Unlike :meth:`mean_of_days`, this does not depend on
        which weekdays they were."""
        sold, expected = self.sold * self.comparable, self.usual * self.comparable
        return log_ratio(windowed(sold, length), windowed(expected, length))

    def store_surprise(self, length: int) -> FloatArray:
        """Like :meth:`surprise`, but for all the store's dishes together."""
        sold = windowed(self.sold * self.comparable, length).sum(axis=1, keepdims=True)
        expected = windowed(self.usual * self.comparable, length).sum(axis=1, keepdims=True)
        return np.broadcast_to(log_ratio(sold, expected), self.sold.shape)

    def _usual(self) -> tuple[FloatArray, FloatArray]:
        """The mean sales of the same weekday in the four weeks before, ordinary days only; and 1
        where a day can be compared with it."""
        count = shifted(weekly(self.ordinary, 4), 7)
        usual = shifted(weekly(self.sold * self.ordinary, 4), 7) / np.maximum(count, 1.0)
        return usual, self.ordinary * (count > 0)

    def noise(self) -> FloatArray:
        """Root mean square of the last 28 days' differences from their weekdays' usual sales, /
        the level (at most 3). The higher it is, the less a single day says."""
        square = windowed((self.sold - self.usual) ** 2 * self.comparable, LEVEL_DAYS)
        count = windowed(self.comparable, LEVEL_DAYS)
        spread = np.sqrt(np.maximum(square, 0.0) / np.maximum(count, 1.0)) / self.level
        return np.where(count >= LEAST_DAYS, np.minimum(spread, 3.0), self.scatter())

    def scatter(self) -> FloatArray:
        """Standard deviation of the last 28 days / level (at most 3)."""
        count = np.maximum(windowed(self.known, LEVEL_DAYS), 1.0)
        mean = windowed(self.sold, LEVEL_DAYS) / count
        square = windowed(self.sold**2, LEVEL_DAYS) / count
        spread = np.sqrt(np.maximum(square - mean**2, 0.0)) / self.level
        return np.minimum(spread, 3.0)

    def days_without_sale(self) -> FloatArray:
        """The share of the known days, among the last 28, on which nothing was sold."""
        nothing = self.known * (self.sold <= 0)
        count = np.maximum(windowed(self.known, LEVEL_DAYS), 1.0)
        return np.asarray(windowed(nothing, LEVEL_DAYS) / count)

    def weekday_sums(self, weeks: int) -> tuple[FloatArray, FloatArray]:
        """Sales, and the number of ordinary known days, on the row's weekday in the last weeks."""
        return weekly(self.sold * self.ordinary, weeks), weekly(self.ordinary, weeks)

    def weekday_last(self) -> tuple[FloatArray, FloatArray]:
        """Sales on the last ordinary known day of the row's weekday within eight weeks, and 1
        where there is such a day."""
        sold, there = self.sold * self.ordinary, self.ordinary.copy()
        for week in range(1, 8):
            gap = shifted(self.ordinary, 7 * week) * (1.0 - there)
            sold = sold + shifted(self.sold, 7 * week) * gap
            there = there + gap
        return sold, there

    def weekday_index(self, weeks: int) -> FloatArray:
        """log of the sales on the row's weekday in the last weeks / the levels of those days: the
        weekday's effect without the trend."""
        expected = weekly(self.level * self.ordinary, weeks)
        return log_ratio(weekly(self.sold * self.ordinary, weeks), expected)
