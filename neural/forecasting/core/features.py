"""Builds a store's training examples: features known h days before, and the sales. Pure.

A target is one dish on one day. An example is a target seen from h days before (its horizon). It
uses the quantities of the days up to then; of the target's day it uses only what is known ahead:
promotion, opening days, holidays, the calendar. A forecast is exp(offset + ...). The offset is
the log of the dish's mean over the last 28 days, so dishes of all sizes share one model. Recipe
and measurements: docs/explanation/learning.md.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.days import OF_DAY, of_each_day, special_days, usual_holidays
from neural.forecasting.core.lags import (
    LEAST_DAYS,
    Chain,
    Past,
    log_ratio,
    shifted,
    weekly,
    windowed,
)
from neural.forecasting.core.series import HORIZONS, FloatArray, Sales

VERSION = 4
"""Increase this when a feature is computed differently under the same name."""

ALL_HORIZONS = tuple(range(1, HORIZONS + 1))
HORIZONS_EACH = 4
"""In training, each target is seen from this many of the horizons."""

_OF_ORIGIN = (
    "mean_3_days", "mean_7_days", "mean_14_days", "trend", "last_day", "last_3_days",
    "last_7_days", "store_last_day", "store_last_7_days", "scatter", "noise", "days_without_sale",
    "level", "promotion_28_days",
)  # fmt: skip
_OF_WEEKDAY = (
    "like_days", "weekday_1", "weekday_2", "weekday_4", "weekday_8", "weekday_index",
    "weekday_unknown", "weekday_promotion_1", "weekday_promotion_4",
    "weekday_holiday_1", "weekday_holiday_4",
)  # fmt: skip
_OF_DISH_DAY = ("promotion", "promotion_day_before", "promotion_week_before")
_MIXED = (
    "horizon", "last_day_soon", "last_3_days_soon", "store_last_day_soon", "last_7_days_late",
    "weekday_1_late", "noisy_like_days", "noisy_last_7_days",
)  # fmt: skip

FEATURES: tuple[str, ...] = _OF_ORIGIN + _OF_WEEKDAY + OF_DAY + _OF_DISH_DAY + _MIXED
"""The names of the columns of ``Examples.values``, in order."""

SCHEMA = hashlib.sha256("\n".join([str(VERSION), *FEATURES]).encode()).hexdigest()
"""The identity of the features, which is kept with every version of a model."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """n examples, ordered by target day, horizon, dish. Row i of every array is example i."""

    values: NDArray[np.float32]
    """(n, len(FEATURES)), finite."""
    offset: FloatArray
    """(n,): log of the level, in portions a day."""
    target: FloatArray
    """(n,): portions sold; NaN where they are not known yet."""
    day: NDArray[np.int32]
    """(n,): the row of the target's day in ``Sales``."""
    dish: NDArray[np.int32]
    """(n,): the column of the dish in ``Sales.quantities``."""
    horizon: NDArray[np.int16]
    """(n,): days from the origin, the last known day, to the target."""
    known_days: NDArray[np.int32]
    """(n,): known days of the dish up to the origin."""

    def __len__(self) -> int:
        return len(self.target)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Examples":
        """The examples selected by a mask or an index."""
        return Examples(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


def training_examples(
    sales: Sales,
    *,
    first_day: int,
    end_day: int,
    horizons: Sequence[int] = ALL_HORIZONS,
    horizons_each: int | None = None,
    chain: Chain | None = None,
) -> Examples:
    """Examples of the known targets on open days in rows [first_day, end_day).

    Each target is seen from all ``horizons``, or from ``horizons_each`` of them. Which ones differs
    from day to day, covers them all, and is the same at every call. New dishes have
    examples only if a ``chain`` is given.
    """
    targets = np.arange(max(first_day, 1), min(end_day, sales.days))
    chosen = _chosen_horizons(targets, tuple(horizons), horizons_each)
    rows = np.repeat(targets, chosen.shape[1])
    return _examples(sales, rows, chosen.ravel(), chain, least_days=1 if chain else LEAST_DAYS)


def forecast_examples(sales: Sales, *, chain: Chain | None = None) -> Examples:
    """Examples of the days after the last known one, with NaN targets; none for closed days, and
    none of a dish that neither the store nor the chain has ever sold.
    """
    ahead = np.asarray(ALL_HORIZONS, dtype=np.int64)
    return _examples(sales, sales.days - 1 + ahead, ahead, chain, least_days=0)


def _chosen_horizons(
    targets: NDArray[np.int64], horizons: tuple[int, ...], each: int | None
) -> NDArray[np.int64]:
    """(targets, chosen): the horizons from which each target is seen."""
    count = len(horizons)
    if each is None or each >= count:
        return np.broadcast_to(np.array(horizons), (len(targets), count))
    # Steps of 3 visit every horizon before one repeats, and do not coincide with weeks.
    step = next(step for step in (3, 5, 1) if np.gcd(step, count) == 1)
    spread = (np.arange(each) * count) // each
    return np.array(horizons)[(targets[:, None] * step + spread) % count]


def _examples(
    sales: Sales,
    rows: NDArray[np.int64],
    horizon: NDArray[np.int64],
    chain: Chain | None,
    *,
    least_days: int,
) -> Examples:
    origin = rows - horizon
    rows, horizon, origin = (each[origin >= 0] for each in (rows, horizon, origin))
    past = Past(sales.quantities, special_days(sales)[: sales.days], chain)
    days = past.history[origin]
    usable = (days >= max(least_days, 1)) | (days + past.chains_days > 0) & (least_days == 0)
    target = _targets(sales, rows)
    known = np.isfinite(target) | (rows >= sales.days)[:, None]
    chosen = usable & known & ~sales.closed[rows][:, None]
    values = _values(sales, past, chain, rows, horizon, origin)
    offset = np.log(past.level[origin])
    dish = np.broadcast_to(np.arange(len(sales.dishes)), chosen.shape)
    return Examples(
        values=values[chosen],
        offset=offset[chosen],
        target=target[chosen],
        day=np.broadcast_to(rows[:, None], chosen.shape)[chosen].astype(np.int32),
        dish=dish[chosen].astype(np.int32),
        horizon=np.broadcast_to(horizon[:, None], chosen.shape)[chosen].astype(np.int16),
        known_days=days[chosen].astype(np.int32),
    )


def _targets(sales: Sales, rows: NDArray[np.int64]) -> FloatArray:
    ahead = np.full((HORIZONS, len(sales.dishes)), np.nan)
    return np.concatenate([sales.quantities, ahead])[rows]


def _values(
    sales: Sales,
    past: Past,
    chain: Chain | None,
    rows: NDArray[np.int64],
    horizon: NDArray[np.int64],
    origin: NDArray[np.int64],
) -> NDArray[np.float32]:
    """(rows, dishes, features)."""
    shape = (len(rows), len(sales.dishes), len(FEATURES))
    values = np.empty(shape, dtype=np.float32)
    ends = np.cumsum([len(each) for each in (_OF_ORIGIN, _OF_WEEKDAY, OF_DAY, _OF_DISH_DAY)])
    of_origin, of_weekday, of_day, of_dish_day, mixed = np.split(values, ends, axis=2)
    of_origin[:] = _of_origin(sales, past)[origin]
    of_weekday[:] = _of_weekday(sales, past, chain, rows, horizon, origin)
    of_day[:] = of_each_day(sales)[rows][:, None, :]
    of_dish_day[:] = _of_dish_day(sales)[rows]
    mixed[:] = _mixed(values, horizon)
    return values


def _of_origin(sales: Sales, past: Past) -> NDArray[np.float32]:
    """(days, dishes, ...): the features known at the end of each day."""
    promoted = windowed(sales.promoted, 28)
    days = np.minimum(np.arange(1, sales.days + 1), 28)[:, None]
    columns = [
        past.mean_of_days(3),
        past.mean_of_days(7),
        past.mean_of_days(14),
        past.trend(),
        past.surprise(1),
        past.surprise(3),
        past.surprise(7),
        past.store_surprise(1),
        past.store_surprise(7),
        past.scatter(),
        past.noise(),
        past.days_without_sale(),
        np.log(past.level),
        promoted / days,
    ]
    return np.stack(columns, axis=2, dtype=np.float32, casting="same_kind")


def _of_weekday(
    sales: Sales,
    past: Past,
    chain: Chain | None,
    rows: NDArray[np.int64],
    horizon: NDArray[np.int64],
    origin: NDArray[np.int64],
) -> NDArray[np.float32]:
    """(rows, dishes, ...): sales on the target's weekday in the weeks up to the origin, / the
    level."""
    row = rows - 7 * -(-horizon // 7)
    there, row = (row >= 0)[:, None], np.maximum(row, 0)
    level = past.level[origin]
    # Of a weekday on which a new dish was never sold, the chain's week is the best guess.
    usual = np.where(
        past.is_new[origin], 0.0 if chain is None else np.log(chain.week[rows, None]), 0.0
    )
    means: list[FloatArray] = []
    sums = [past.weekday_last(), *(past.weekday_sums(weeks) for weeks in (2, 4, 8))]
    for sold, count in sums:
        ratio = log_ratio(sold[row], count[row] * level * there)
        # Weeks without a known day take the ratio of the last known one.
        means.append(np.where((count[row] > 0) & there, ratio, means[0] if means else usual))
    like = _like_days(sales, past, rows, origin, means[2])
    promoted = sales.promoted
    holiday = np.broadcast_to(sales.holiday[: sales.days, None], promoted.shape)
    flags = [
        weekly(each, weeks)[row] / weeks * there for each in (promoted, holiday) for weeks in (1, 4)
    ]
    unknown = 1.0 - np.minimum(weekly(past.ordinary, 4), 1.0)[row] * there
    index = np.where(past.is_new[origin], means[0], past.weekday_index(8)[row] * there)
    return np.stack(
        [like, *means, index, unknown, *flags], axis=2, dtype=np.float32, casting="same_kind"
    )


def _like_days(
    sales: Sales,
    past: Past,
    rows: NDArray[np.int64],
    origin: NDArray[np.int64],
    weekday: FloatArray,
) -> FloatArray:
    """(rows, dishes): the ratio of days that are like the target: the same weekday on an ordinary
    day, the Sundays of the last four weeks on a holiday, the working days of the last four weeks
    on a weekend that is worked."""
    usual, special = usual_holidays(sales), special_days(sales)
    of_week = (sales.first_day.weekday() + np.arange(sales.days)) % 7
    like = weekday.copy()
    for holiday, days in ((True, of_week == 6), (False, ~usual[of_week])):
        chosen = special[rows] & ((sales.holiday[rows] > 0) == holiday)
        if not chosen.any():
            continue
        counted = past.ordinary * days[:, None]
        sold, count = windowed(past.sold * counted, 28), windowed(counted, 28)
        at = origin[chosen]
        ratio = log_ratio(sold[at], count[at] * past.level[at])
        like[chosen] = np.where(count[at] > 0, ratio, weekday[chosen])
    return like


def _of_dish_day(sales: Sales) -> NDArray[np.float32]:
    """(days + HORIZONS, dishes, ...): the features of a dish on a day that are known ahead."""
    promotion = sales.promotion
    columns = [promotion, shifted(promotion, 1), shifted(promotion, 7)]
    return np.stack(columns, axis=2, dtype=np.float32, casting="same_kind")


def _mixed(values: NDArray[np.float32], horizon: NDArray[np.int64]) -> NDArray[np.float32]:
    """(rows, dishes, ...): lags weighted by the distance to the target. The last days say less
    about a later target, which a linear model cannot find out by itself."""
    far = ((horizon - 1) / (HORIZONS - 1)).astype(np.float32)[:, None]
    soon = np.exp(-(horizon - 1) / 3.0).astype(np.float32)[:, None]

    def of(name: str) -> NDArray[np.float32]:
        return values[:, :, FEATURES.index(name)]

    columns: list[NDArray[np.float32]] = [
        np.broadcast_to(far, values.shape[:2]),
        of("last_day") * soon,
        of("last_3_days") * soon,
        of("store_last_day") * soon,
        of("last_7_days") * far,
        of("weekday_1") * far,
        of("noise") * of("like_days"),
        of("noise") * of("last_7_days"),
    ]
    return np.stack(columns, axis=2, dtype=np.float32, casting="same_kind")
