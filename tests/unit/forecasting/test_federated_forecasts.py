"""What a store may expect: by the chain's model, or by a simple rule, and it says which."""

from dataclasses import replace

import numpy as np
import pytest

from neural.forecasting.core.expectation import forecast
from neural.forecasting.core.participant import simulate
from neural.forecasting.core.series import HORIZONS, Sales
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from tests.unit.forecasting.chains import FIRST_DAY, SMALL, between, chain, store


@pytest.fixture(scope="module")
def content():
    config = replace(SMALL, trees=0)
    return simulate(kind=DEMAND_FORECAST, config=config, stores=chain(6)).server_state


def blank() -> Sales:
    return Sales(
        first_day=FIRST_DAY,
        dishes=(),
        quantities=np.zeros((1, 0)),
        promotion=np.zeros((1 + HORIZONS, 0)),
        closed=np.zeros(1 + HORIZONS, dtype=bool),
        holiday=np.zeros(1 + HORIZONS),
        school_holiday=np.zeros(1 + HORIZONS),
    )


def test_every_dish_has_two_weeks_of_means_and_bands(content):
    found = forecast(content, store())

    assert [each.dish for each in found] == ["dish 0", "dish 1"]
    for each in found:
        assert len(each.mean) == len(each.p10) == len(each.p50) == len(each.p90) == HORIZONS
        for low, middle, high in zip(each.p10, each.p50, each.p90, strict=True):
            assert 0 <= low <= middle <= high


def test_portions_are_whole_where_the_store_sells_whole_ones(content):
    kilos = replace(store(), quantities=store().quantities * 0.25 + 0.01)

    assert all(value == round(value) for each in forecast(content, store()) for value in each.p90)
    assert any(value != round(value) for each in forecast(content, kilos) for value in each.p90)


def test_a_busy_weekday_is_expected_to_be_busy(content):
    """Saturdays sell nearly twice as much as Mondays in these stores."""
    sales = store()
    found = forecast(content, sales)[0]
    by_weekday = {sales.day(sales.days + ahead).weekday(): found.mean[ahead] for ahead in range(7)}

    assert by_weekday[5] > 1.3 * by_weekday[0]


def test_a_store_that_follows_its_model_is_forecast_by_it(content):
    assert {each.method for each in forecast(content, store())} == {"personal"}


def test_no_store_chooses_a_rule_where_there_is_a_model(content):
    """Its weekdays repeat exactly, so that either rule would have been right on every day."""
    week = np.array([10.0, 12.0, 14.0, 16.0, 30.0, 40.0, 9.0])
    days = (np.arange(90) + FIRST_DAY.weekday()) % 7
    regular = replace(store(dishes=1), quantities=week[days][:, None])

    (found,) = forecast(content, regular)

    assert found.method == "personal"
    assert found.uses_version


def test_a_store_without_history_gets_the_chains_model_and_says_so(content):
    found = forecast(content, blank())

    assert {each.method for each in found} == {"global"}
    assert [each.dish for each in found] == ["dish 0", "dish 1"]
    assert found[0].mean[0] == pytest.approx(30, rel=0.6)  # the dish's usual level in the chain


def test_a_new_store_with_a_week_of_sales_is_forecast(content):
    found = forecast(content, store(days=9))

    assert all(value is not None for each in found for value in each.p50)


@pytest.mark.parametrize("has_model", [True, False])
def test_a_dish_is_forecast_from_its_first_day_on_and_not_before(content, has_model):
    quantities = store().quantities.copy()
    quantities[:, 1] = np.nan
    dishes = ("dish 0", "novelty")
    never = replace(store(), quantities=quantities, dishes=dishes)
    once = quantities.copy()
    once[-1, 1] = 12.0
    known = content if has_model else None

    assert [each.dish for each in forecast(known, never)] == ["dish 0"]
    novelty = forecast(known, replace(never, quantities=once))[1]
    assert novelty.dish == "novelty"
    assert np.mean(novelty.mean) == pytest.approx(12.0, rel=0.25)


@pytest.mark.parametrize("days", [1, 2, 3, 5])
def test_a_new_store_is_forecast_at_its_own_level(content, days):
    """It sells four times what the others do."""
    large = store(days=90)
    opened = replace(
        between(large, 90 - days, 90), quantities=4 * large.quantities[-days:], country=""
    )

    found = forecast(content, opened)[0]

    assert {each.method for each in forecast(content, opened)} == {"global"}
    assert np.mean(found.mean) == pytest.approx(4 * large.quantities[:, 0].mean(), rel=0.35)


def test_the_bands_of_a_first_day_are_wider(content):
    one, many = (forecast(content, between(store(), 90 - days, 90))[0] for days in (1, 30))

    def width(found):
        return (found.p90[0] - found.p10[0]) / found.mean[0]

    assert width(one) > 1.2 * width(many)


def test_a_store_that_is_closed_for_two_weeks_says_so_of_each_dish(content):
    closed = store().closed.copy()
    closed[-HORIZONS:] = True

    found = forecast(content, replace(store(), closed=closed))

    assert [each.mean for each in found] == [[None] * HORIZONS] * 2


def test_without_a_model_the_better_rule_forecasts(content):
    found = forecast(None, store())

    assert {each.method for each in found} <= {"weekday_mean", "seasonal_naive"}
    assert not any(each.uses_version for each in found)


def test_without_model_and_history_there_is_nothing_to_say():
    assert forecast(None, blank()) == []


def test_a_closed_day_has_no_forecast(content):
    closed = store().closed.copy()
    closed[-HORIZONS + 2] = True  # the third day ahead

    found = forecast(content, replace(store(), closed=closed))[0]

    assert [place for place, value in enumerate(found.mean) if value is None] == [2]


def test_a_dish_that_was_hardly_ever_sold_is_forecast_near_nothing(content):
    sparse = store().quantities.copy()
    sparse[:, 1] = 0.0
    sparse[::30, 1] = 1.0

    found = forecast(content, replace(store(), quantities=sparse))[1]

    assert max(found.mean) < 0.5
    assert min(found.p10) == 0
