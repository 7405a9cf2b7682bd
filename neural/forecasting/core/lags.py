"""What a store's past says at the end of each day, as ratios to its level. Pure.

Every array has one row for each day that is known: row ``o`` uses quantities of the rows up to
and including ``o``, none after it. A ratio of which nothing is known is neutral: its logarithm
is 0.
"""

import numpy as np

from neural.forecasting.core.series import BoolArray, FloatArray

LEVEL_DAYS = 28
"""A dish's level is its mean over so many days."""
LEAST_DAYS = 7
"""With fewer days known, a dish has no level of its own."""
LEAST_LEVEL = 1e-3
"""Keeps the logarithm of a level finite. In portions."""
SOFTENING = 0.1
"""Share of the level that is added to both sides of a ratio, so that a day without a sale has a
finite logarithm (-2.4)."""


_NOTHING = 1e-6
"""Less than this is what rounding left of a sum of nothing."""


def windowed(values: FloatArray, length: int) -> FloatArray:
    """Sums over the last ``length`` rows, the row itself included; fewer at the beginning."""
    sums = np.cumsum(values, axis=0)
    sums[length:] -= sums[:-length].copy()
    return sums


def shifted(values: FloatArray, rows: int) -> FloatArray:
    """The values of ``rows`` rows earlier; 0 before the first."""
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
    """log of sums / expected, softened; 0 where nothing is expected, which is where nothing is
    known."""
    there = expected > _NOTHING
    ratio = np.divide(sums, expected, out=np.ones_like(sums), where=there)
    clipped = np.minimum(np.maximum(ratio, 0.0), 20.0)
    result: FloatArray = np.log((clipped + SOFTENING) / (1.0 + SOFTENING))
    return result


class Past:
    """Sums of a store's quantities, made once and looked up by row.

    ``special``, (days,), marks days unlike others of their weekday (a holiday on a Tuesday, a
    Sunday that is worked): they count for the level, but not for what a weekday usually sells.
    """

    def __init__(self, quantities: FloatArray, special: BoolArray | None = None) -> None:
        self.known = np.isfinite(quantities).astype(np.float64)
        self.ordinary = self.known if special is None else self.known * ~special[:, None]
        self.sold = np.where(np.isfinite(quantities), quantities, 0.0)
        self.history = np.cumsum(self.known, axis=0)
        self.level = self._level()
        self.usual, self.comparable = self._usual()

    def _level(self) -> FloatArray:
        """Mean of the last 28 days, with one day at the mean of all days so far added: a level
        is never zero after a month without a sale, if ever anything was sold."""
        ever = np.cumsum(self.sold, axis=0) / np.maximum(self.history, 1.0)
        count = windowed(self.known, LEVEL_DAYS)
        level = (windowed(self.sold, LEVEL_DAYS) + ever) / (count + 1.0)
        return np.maximum(level, LEAST_LEVEL)

    @property
    def has_level(self) -> FloatArray:
        """1 where enough days are known for a level of the dish's own, else 0."""
        return (self.history >= LEAST_DAYS).astype(np.float64)

    def mean_of_days(self, length: int) -> FloatArray:
        """log of the mean of the last days / level."""
        return log_ratio(windowed(self.sold, length), windowed(self.known, length) * self.level)

    def trend(self) -> FloatArray:
        """log of the level / the mean of the 28 days before those of the level."""
        before = shifted(windowed(self.sold, LEVEL_DAYS), LEVEL_DAYS)
        count = shifted(windowed(self.known, LEVEL_DAYS), LEVEL_DAYS)
        return -log_ratio(before, count * self.level)

    def surprise(self, length: int) -> FloatArray:
        """log of the last days' sales / what the same weekdays of four weeks before let expect.
        Unlike a mean it does not depend on which weekdays they were."""
        sold, expected = self.sold * self.comparable, self.usual * self.comparable
        return log_ratio(windowed(sold, length), windowed(expected, length))

    def store_surprise(self, length: int) -> FloatArray:
        """As :meth:`surprise`, of all the store's dishes together."""
        sold = windowed(self.sold * self.comparable, length).sum(axis=1, keepdims=True)
        expected = windowed(self.usual * self.comparable, length).sum(axis=1, keepdims=True)
        return np.broadcast_to(log_ratio(sold, expected), self.sold.shape)

    def _usual(self) -> tuple[FloatArray, FloatArray]:
        """What the four ordinary same weekdays before sold on average, and 1 where a day can be
        compared with it."""
        count = shifted(weekly(self.ordinary, 4), 7)
        usual = shifted(weekly(self.sold * self.ordinary, 4), 7) / np.maximum(count, 1.0)
        return usual, self.ordinary * (count > 0)

    def noise(self) -> FloatArray:
        """Root mean square of the last 28 days' differences to what their weekdays usually sell,
        / the level (at most 3): how little a single day tells."""
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
        """Share of the last 28 days' known days on which nothing was sold."""
        nothing = self.known * (self.sold <= 0)
        count = np.maximum(windowed(self.known, LEVEL_DAYS), 1.0)
        return np.asarray(windowed(nothing, LEVEL_DAYS) / count)

    def weekday_sums(self, weeks: int) -> tuple[FloatArray, FloatArray]:
        """Sold, and ordinary known days, on the row's weekday in the last weeks."""
        return weekly(self.sold * self.ordinary, weeks), weekly(self.ordinary, weeks)

    def weekday_last(self) -> tuple[FloatArray, FloatArray]:
        """Sold on the last ordinary known one of the row's weekday in eight weeks, and 1 where
        there is one."""
        sold, there = self.sold * self.ordinary, self.ordinary.copy()
        for week in range(1, 8):
            gap = shifted(self.ordinary, 7 * week) * (1.0 - there)
            sold = sold + shifted(self.sold, 7 * week) * gap
            there = there + gap
        return sold, there

    def weekday_index(self, weeks: int) -> FloatArray:
        """log of what the row's weekday sold in the last weeks / the levels of those days: what
        is left of a weekday when the trend is taken out."""
        expected = weekly(self.level * self.ordinary, weeks)
        return log_ratio(weekly(self.sold * self.ordinary, weeks), expected)
