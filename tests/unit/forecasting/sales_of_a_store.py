"""A store's sales, made up: for tests of what learns from them."""

import datetime as dt
from typing import Any

import numpy as np

from neural.forecasting.core.series import HORIZONS, Sales

MONDAY = dt.date(2025, 3, 3)


def sales_of(quantities: Any, *, first_day: dt.date = MONDAY, **known: Any) -> Sales:
    """Sales of these quantities, (days, dishes); nothing special about any day unless told."""
    sold = np.asarray(quantities, dtype=np.float64)
    days, dishes = sold.shape
    ahead = days + HORIZONS
    fields: dict[str, Any] = {
        "promotion": np.zeros((ahead, dishes)),
        "closed": np.zeros(ahead, dtype=bool),
        "holiday": np.zeros(ahead),
        "school_holiday": np.zeros(ahead),
    }
    names = tuple(f"dish-{each}" for each in range(dishes))
    return Sales(first_day=first_day, dishes=names, quantities=sold, **{**fields, **known})


def weekly_demand(
    *, days: int = 120, dishes: int = 2, level: float = 30.0, weekend: float = 1.5, seed: int = 0
) -> Any:
    """(days, dishes): Poisson demand around a level, more of it on weekends. Starts on a Monday."""
    mean = np.where(np.arange(days) % 7 >= 5, weekend, 1.0)[:, None] * level
    return np.random.default_rng(seed).poisson(mean * np.ones(dishes)).astype(float)
