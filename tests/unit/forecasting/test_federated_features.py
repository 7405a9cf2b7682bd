"""Examples for learning: what is in them, and above all what is not."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from neural.forecasting.core.days import OF_DAY
from neural.forecasting.core.features import (
    FEATURES,
    SCHEMA,
    Examples,
    forecast_examples,
    training_examples,
)
from neural.forecasting.core.lags import Chain
from tests.unit.forecasting.sales_of_a_store import MONDAY, sales_of, weekly_demand


def column(examples: Examples, name: str) -> np.ndarray:
    return examples.values[:, FEATURES.index(name)]


def by_key(examples: Examples) -> dict[tuple[int, int, int], np.ndarray]:
    keys = zip(examples.day, examples.dish, examples.horizon, strict=True)
    rows = np.column_stack([examples.offset, examples.values])
    return {(int(d), int(i), int(h)): row for (d, i, h), row in zip(keys, rows, strict=True)}


# No peeking


@pytest.mark.parametrize("end_of_known", [60, 64, 71])
def test_an_example_uses_nothing_sold_after_its_origin(end_of_known):
    sold = weekly_demand(days=90)
    changed = sold.copy()
    changed[end_of_known:] = changed[end_of_known:] * 3 + 7
    before = by_key(training_examples(sales_of(sold), first_day=50, end_day=90))
    after = by_key(training_examples(sales_of(changed), first_day=50, end_day=90))

    seen_from_before = [key for key in before if key[0] - key[2] < end_of_known]
    assert len(seen_from_before) > 400
    for key in seen_from_before:
        assert np.array_equal(before[key], after[key]), key
    # And what was sold up to then is used: the days after the change see it.
    assert any(not np.array_equal(before[key], after[key]) for key in before)


def test_a_forecast_sees_what_training_on_the_same_day_would_have_seen():
    sold = weekly_demand(days=100)
    full, known = sales_of(sold), sales_of(sold[:86])
    ahead = by_key(forecast_examples(known))
    later = by_key(training_examples(full, first_day=86, end_day=100))

    assert len(ahead) == 14 * 2
    for key, row in ahead.items():
        assert np.allclose(row, later[key], atol=1e-6), key


# Which examples there are


def test_every_known_open_target_is_seen_from_every_horizon():
    sold = weekly_demand(days=60, dishes=1)
    sold[50] = np.nan
    closed = np.zeros(74, dtype=bool)
    closed[52] = True
    examples = training_examples(sales_of(sold, closed=closed), first_day=48, end_day=55)

    assert sorted(set(examples.day.tolist())) == [48, 49, 51, 53, 54]
    assert (np.bincount(examples.day)[48:50] == 14).all()
    assert examples.target.tolist() == sold[examples.day, examples.dish].tolist()


def test_a_sample_of_horizons_is_the_same_each_time_and_reaches_all_of_them():
    sales = sales_of(weekly_demand(days=120))
    one = training_examples(sales, first_day=30, end_day=120, horizons_each=4)
    other = training_examples(sales, first_day=30, end_day=120, horizons_each=4)

    assert np.array_equal(one.horizon, other.horizon)
    assert (np.bincount(one.day, minlength=120)[30:] == 4 * 2).all()
    counts = np.bincount(one.horizon, minlength=15)[1:]
    assert counts.min() > 0.7 * counts.mean()


def test_a_dish_without_a_week_of_sales_has_no_examples():
    sold = weekly_demand(days=60)
    sold[:54, 1] = np.nan
    examples = training_examples(sales_of(sold), first_day=30, end_day=60, horizons=(1,))

    assert set(examples.dish.tolist()) == {0}


def test_a_dish_that_never_sold_has_no_examples_at_all():
    sold = weekly_demand(days=60)
    sold[:, 1] = np.nan

    assert set(forecast_examples(sales_of(sold)).dish.tolist()) == {0}


def test_a_store_without_history_starts_from_the_usual_level_and_neutral_ratios():
    sold = np.full((1, 3), np.nan)
    typical = np.array([12.0, np.nan, 0.0])
    examples = forecast_examples(sales_of(sold), chain=Chain(typical, np.ones(15)))

    assert set(examples.dish.tolist()) == {0}
    assert examples.offset == pytest.approx(np.log(12.0))
    for name in ("weekday_4", "like_days", "mean_7_days", "last_day", "trend"):
        assert (column(examples, name) == 0).all(), name


def test_days_that_are_closed_are_not_forecast():
    closed = np.zeros(60 + 14, dtype=bool)
    closed[65] = True
    examples = forecast_examples(sales_of(weekly_demand(days=60), closed=closed))

    assert 65 not in examples.day
    assert np.isnan(examples.target).all()


def test_a_first_day_counts_and_is_compared_with_the_chains_usual_sales_of_its_weekday():
    """The store opened on a Saturday, on which the chain sells twice the mean."""
    week = np.array([0.8, 0.8, 0.8, 0.8, 0.8, 2.0, 1.0])
    sold = np.full((6, 1), np.nan)
    sold[5] = 200.0
    of_chain = Chain(np.array([50.0]), week[np.arange(20) % 7])

    examples = forecast_examples(sales_of(sold), chain=of_chain)

    assert np.exp(examples.offset) == pytest.approx(100.0, rel=0.08)
    assert set(examples.known_days.tolist()) == {1}
    tuesday = column(examples, "weekday_4")[examples.day == 8]
    assert tuesday == pytest.approx(np.log(0.8))


@pytest.mark.parametrize("typed", [0.0, 60_000.0])
def test_the_level_of_a_first_day_is_within_five_times_the_chains(typed):
    of_chain = Chain(np.array([50.0]), np.ones(15))

    examples = forecast_examples(sales_of(np.array([[typed]])), chain=of_chain)

    assert (np.exp(examples.offset) <= 250.0 + 1e-6).all()
    assert (np.exp(examples.offset) >= 10.0 - 1e-6).all()


def test_a_dish_that_the_chain_does_not_know_is_within_five_times_its_least_day():
    sold = np.array([[60.0], [60_000.0], [55.0]])

    examples = forecast_examples(sales_of(sold), chain=Chain(np.array([np.nan]), np.ones(17)))

    assert np.exp(examples.offset) == pytest.approx(275.0)


def test_first_days_are_examples_where_what_is_served_is_judged_and_not_where_it_is_learned():
    sales = sales_of(weekly_demand(days=5))
    of_chain = Chain(np.full(2, 10.0), np.ones(19))

    assert len(training_examples(sales, first_day=0, end_day=5)) == 0
    assert len(training_examples(sales, first_day=0, end_day=5, chain=of_chain)) > 0


# What the values say


def test_the_offset_is_the_level_of_the_last_four_weeks():
    sold = np.concatenate([np.full((60, 1), 5.0), np.full((40, 1), 20.0)])
    examples = training_examples(sales_of(sold), first_day=99, end_day=100, horizons=(1,))

    # One day at the mean of all 99 days is added to the 28: (28 · 20 + 11) / 29.
    ever = (60 * 5 + 39 * 20) / 99
    assert np.exp(examples.offset) == pytest.approx((28 * 20 + ever) / 29)


def test_a_weekday_that_sells_double_says_so():
    sold = np.where(np.arange(70) % 7 == 4, 20.0, 10.0)[:, None]
    examples = training_examples(sales_of(sold), first_day=63, end_day=70, horizons=(1,))
    ratio = column(examples, "weekday_4")

    friday = examples.day % 7 == 4
    assert ratio[friday] - ratio[~friday].mean() == pytest.approx(np.log(2), abs=0.06)


def test_a_zero_is_finite_and_a_missing_day_is_neutral():
    sold = weekly_demand(days=60, dishes=2)
    sold[40:, 0] = 0.0
    sold[58, 1] = np.nan
    examples = training_examples(sales_of(sold), first_day=59, end_day=60, horizons=(1,))

    assert np.isfinite(examples.values).all()
    assert column(examples, "last_day")[0] < -2
    assert column(examples, "last_day")[1] == 0.0


@pytest.mark.parametrize("days", [1, 2, 8, 28])
def test_short_and_sparse_histories_give_finite_values(days):
    sold = np.random.default_rng(3).poisson(0.05, (days, 4)).astype(float)
    sales = sales_of(sold)
    for examples in (
        training_examples(sales, first_day=0, end_day=days),
        forecast_examples(sales, chain=Chain(np.full(4, 0.2), np.ones(days + 14))),
    ):
        assert np.isfinite(examples.values).all()
        assert np.isfinite(examples.offset).all()


def test_a_holiday_looks_like_the_last_sundays_not_like_its_weekday():
    sold = np.where(np.arange(84) % 7 == 6, 30.0, 10.0)[:, None]
    holiday = np.zeros(84 + 14)
    holiday[79] = 1.0  # a Wednesday
    sales = sales_of(sold, holiday=holiday)
    examples = training_examples(sales, first_day=77, end_day=84, horizons=(1,))
    like, weekday = column(examples, "like_days"), column(examples, "weekday_4")

    assert like[2] == pytest.approx(like[6], abs=0.01)
    assert like[2] > weekday[2] + 0.8
    assert np.allclose(np.delete(like, 2), np.delete(weekday, 2))


def test_a_holiday_does_not_spoil_what_its_weekday_usually_sells():
    sold = np.full((84, 1), 10.0)
    sold[72] = 100.0  # a Wednesday
    holiday = np.zeros(84 + 14)
    holiday[72] = 1.0
    plain = training_examples(sales_of(sold), first_day=79, end_day=80, horizons=(1,))
    told = training_examples(
        sales_of(sold, holiday=holiday), first_day=79, end_day=80, horizons=(1,)
    )

    assert column(plain, "weekday_4")[0] > 0.5
    assert column(told, "weekday_4")[0] < 0.0


def test_the_days_around_a_holiday_are_told_apart():
    holiday = np.zeros(60 + 14)
    holiday[65] = 1.0
    examples = forecast_examples(sales_of(weekly_demand(days=60), holiday=holiday))
    names = ("holiday_in_2_days", "eve", "holiday", "day_after")
    found = [set(examples.day[column(examples, name) > 0].tolist()) for name in names]

    assert found == [{63}, {64}, {65}, {66}]


def test_weekends_that_are_reported_as_holidays_are_nothing_special():
    holiday = (np.arange(60 + 14) % 7 >= 5).astype(float)
    sales = sales_of(weekly_demand(days=60), holiday=holiday)
    examples = training_examples(sales, first_day=40, end_day=60)

    assert column(examples, "holiday").any()
    assert not column(examples, "special_holiday").any()


def test_the_season_counts_only_when_most_of_a_year_is_known():
    short = training_examples(sales_of(weekly_demand(days=120)), first_day=60, end_day=120)
    long = training_examples(sales_of(weekly_demand(days=400)), first_day=60, end_day=400)

    assert not column(short, "year_sine").any()
    assert np.abs(column(long, "year_sine")).max() > 0.9


def test_the_calendar_of_the_stores_country_is_used():
    first = dt.date(2024, 8, 5)  # 60 days until National Day and the weekends worked for it
    sales = sales_of(weekly_demand(days=60), first_day=first, country="CN")
    examples = forecast_examples(sales)
    worked = column(examples, "working_weekend") > 0

    assert {sales.day(int(row)) for row in examples.day[worked]} == {dt.date(2024, 10, 12)}
    holidays = {sales.day(int(row)) for row in examples.day[column(examples, "holiday") > 0]}
    assert dt.date(2024, 10, 7) in holidays


def test_what_is_known_ahead_is_seen_on_its_day():
    ahead = 60 + 14
    promotion, closed = np.zeros((ahead, 2)), np.zeros(ahead, dtype=bool)
    promotion[63, 1], closed[66] = 0.3, True
    examples = forecast_examples(
        sales_of(weekly_demand(days=60), promotion=promotion, closed=closed)
    )

    on = column(examples, "promotion") > 0
    assert set(zip(examples.day[on].tolist(), examples.dish[on].tolist(), strict=True)) == {(63, 1)}
    assert set(examples.day[column(examples, "closed_after") > 0].tolist()) == {65}
    assert set(examples.day[column(examples, "closed_before") > 0].tolist()) == {67}


def test_other_units_change_nothing_but_the_level():
    sold = weekly_demand(days=90)
    portions = training_examples(sales_of(sold), first_day=40, end_day=90)
    kilograms = training_examples(sales_of(sold * 0.25), first_day=40, end_day=90)
    others = [place for place, name in enumerate(FEATURES) if name != "level"]

    assert np.allclose(portions.values[:, others], kilograms.values[:, others], atol=1e-4)
    assert np.allclose(portions.offset + np.log(0.25), kilograms.offset)


def test_examples_start_on_any_weekday():
    for shift in range(7):
        first = MONDAY + dt.timedelta(days=shift)
        sales = sales_of(weekly_demand(days=60), first_day=first)
        examples = forecast_examples(sales)
        days = np.stack([column(examples, name) for name in OF_DAY[:7]], axis=1)
        expected = [sales.day(int(row)).weekday() for row in examples.day]
        assert days.argmax(axis=1).tolist() == expected


def test_each_column_has_a_name():
    assert len(set(FEATURES)) == len(FEATURES)
    sales = replace(sales_of(weekly_demand(days=40)), country="DE")
    assert forecast_examples(sales).values.shape == (28, len(FEATURES))


def test_the_hash_that_published_versions_carry_stays():
    assert SCHEMA == "ec03be37f71b7cc1991732e7dbd81a08777e72c8caa60e8b5410df8002caa2a3"
