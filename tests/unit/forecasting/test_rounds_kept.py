"""What a process keeps of its stores stays within its bounds, and is never shared."""

import datetime as dt

import numpy as np

from neural.forecasting.core.series import HORIZONS, Sales
from neural.forecasting.rounds.exchange import StoreCache, StoreData, size_of

OPENED = dt.datetime(2026, 3, 2, 3, tzinfo=dt.UTC)


def sales(days: int = 10) -> Sales:
    ahead = days + HORIZONS
    return Sales(
        first_day=dt.date(2026, 3, 2),
        dishes=("rice",),
        quantities=np.ones((days, 1)),
        promotion=np.zeros((ahead, 1)),
        closed=np.zeros(ahead, dtype=bool),
        holiday=np.zeros(ahead),
        school_holiday=np.zeros(ahead),
    )


def kept(size: int) -> StoreData:
    return StoreData(sales(), {"examples": np.zeros(size, dtype=np.uint8)})


def key(store: str, number: int = 1) -> tuple[int, dt.datetime, str]:
    return number, OPENED, store


def test_arrays_count_wherever_they_are():
    nested = {"a": [np.zeros(1000)], "b": (np.zeros((10, 10)),)}

    assert 8800 < size_of(nested) < 10_000
    assert size_of(StoreData(sales(100))) > 100 * 8 * 5


def test_those_used_longest_ago_make_room():
    stores = StoreCache()
    for name in ("a", "b", "c"):
        stores.put(key(name), kept(1000), limit=10_000)
    stores.put(key("a"), stores.take(key("a")), limit=10_000)

    stores.put(key("d"), kept(5000), limit=10_000)

    held = [name for name in "abcd" if stores.take(key(name))]
    assert held == ["a", "d"]
    assert stores._bytes == 0


def test_one_that_is_too_large_is_not_kept():
    stores = StoreCache()

    stores.put(key("a"), kept(1000), limit=100)

    assert stores.take(key("a")) is None
    assert stores._bytes == 0


def test_who_takes_a_store_has_it_alone():
    stores = StoreCache()
    stores.put(key("a"), kept(10), limit=10_000)

    assert stores.take(key("a")) is not None
    assert stores.take(key("a")) is None


def test_put_again_it_is_counted_once():
    stores = StoreCache()

    for _ in range(3):
        stores.put(key("a"), kept(1000), limit=10_000)

    assert stores._bytes == size_of(kept(1000))


def test_a_round_that_has_ended_is_forgotten():
    stores = StoreCache()
    stores.put(key("a", 1), kept(10), limit=10_000)
    stores.put(key("a", 2), kept(10), limit=10_000)

    stores.forget(1)

    assert stores.take(key("a", 1)) is None
    assert stores.take(key("a", 2)) is not None
