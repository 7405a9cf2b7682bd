"""Generates invented demand of invented stores, for measured rounds of training."""

import datetime as dt
from collections.abc import Iterator

import numpy as np
from django.utils import timezone

from neural.models import Store
from neural.restaurant.models import DailyDemand

DISHES = ("D1", "D2", "D3")
WEEKDAYS = np.array([0.85, 0.9, 0.95, 1.0, 1.15, 1.3, 0.85])
ROWS_AT_ONCE = 5000


def make_stores(*, stores: int, days: int) -> None:
    """Create stores with ``days`` days of demand up to yesterday; the same at every call."""
    codes = [f"bench-{number:04d}" for number in range(stores)]
    Store.objects.bulk_create(Store(code=code, confirmed=True) for code in codes)
    rows = (row for number, code in enumerate(codes) for row in _of_store(number, code, days))
    DailyDemand.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)


def _of_store(number: int, code: str, days: int) -> Iterator[DailyDemand]:
    dice = np.random.default_rng(number)
    today = timezone.localdate()
    first = today - dt.timedelta(days=days)
    dates = [first + dt.timedelta(days=each) for each in range(days)]
    season = 1 + 0.2 * np.sin(2 * np.pi * (np.arange(days) / 365 + dice.random()))
    week = WEEKDAYS[[day.weekday() for day in dates]] ** dice.uniform(0.5, 1.5)
    for dish in DISHES:
        level = dice.gamma(3, 15)
        drift = np.exp(np.cumsum(dice.normal(0, 0.02, days)) * 0.3)
        sold = dice.poisson(level * season * week * drift * dice.gamma(30, 1 / 30, days))
        for day, quantity in zip(dates, sold, strict=True):
            yield DailyDemand(store_id=code, day=day, dish=dish, reported_quantity=int(quantity))
