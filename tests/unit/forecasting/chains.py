"""Invented stores for tests of forecasts: a level, a weekday, chance."""

import datetime as dt
from dataclasses import replace

import numpy as np

from neural.forecasting.core.protocol import TrainingConfig
from neural.forecasting.core.series import HORIZONS, Sales

WEEK = np.array([0.8, 0.9, 0.95, 1.0, 1.2, 1.4, 0.75])
FIRST_DAY = dt.date(2026, 1, 1)
SMALL = TrainingConfig(
    history_days=90,
    trees=8,
    trees_together=4,
    tree_depth=2,
    learning_rate=0.8,
    bins=16,
    fit_exchanges=2,
)


def store(number: int = 0, *, days: int = 90, dishes: int = 2, level: float = 30.0) -> Sales:
    """The same store at every call. Its first dish sells best."""
    dice = np.random.default_rng(number)
    week = WEEK[(np.arange(days) + FIRST_DAY.weekday()) % 7] ** dice.uniform(0.7, 1.3)
    levels = level * dice.uniform(0.7, 1.3) / np.arange(1, dishes + 1)
    sold = dice.poisson(week[:, None] * levels).astype(float)
    ahead = days + HORIZONS
    return Sales(
        first_day=FIRST_DAY,
        dishes=tuple(f"dish {each}" for each in range(dishes)),
        quantities=sold,
        promotion=np.zeros((ahead, dishes)),
        closed=np.zeros(ahead, dtype=bool),
        holiday=np.zeros(ahead),
        school_holiday=np.zeros(ahead),
        country="CN",
    )


def between(sales: Sales, first: int, end: int) -> Sales:
    """The store as if only its rows [first, end) were known of its past."""
    ahead = slice(first, end + HORIZONS)
    return replace(
        sales,
        first_day=sales.day(first),
        quantities=sales.quantities[first:end],
        promotion=sales.promotion[ahead],
        closed=sales.closed[ahead],
        holiday=sales.holiday[ahead],
        school_holiday=sales.school_holiday[ahead],
    )


def chain(stores: int = 5, **options) -> dict[str, Sales]:
    return {f"S{number:02d}": store(number, **options) for number in range(stores)}
