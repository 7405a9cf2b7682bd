"""Days beyond belief: a typing error lifts no forecast, and is told."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from django.utils import timezone

from neural.forecasting.core.doubtful import doubtful_days, without
from neural.forecasting.core.expectation import forecast
from neural.forecasting.core.lags import Past
from neural.forecasting.core.simulation import simulate
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from neural.forecasting.outlook.review import doubts_of
from neural.forecasting.sales import sales_of
from tests.unit.demand import day, sell
from tests.unit.forecasting import SMALL, chain
from tests.unit.ledger import make_store

USUAL = [60.0, 100.0, 80.0, 90.0, 110.0, 140.0, 120.0]


def weeks(number, **typed):
    sold = np.array(USUAL * number)
    for row, amount in typed.items():
        sold[int(row[1:])] = amount
    return sold[:, None]


def rows(quantities):
    return [each.row for each in doubtful_days(quantities)]


@pytest.mark.parametrize("row", [0, 3, 27, 28, 69])
def test_a_day_of_a_thousand_times_what_is_usual_is_doubtful_wherever_it_stands(row):
    assert rows(weeks(10, **{f"d{row}": 100_000.0})) == [row]


def test_what_is_usual_is_told_with_it():
    (found,) = doubtful_days(weeks(10, d50=100_000.0))

    assert (found.reported, found.column) == (100_000.0, 0)
    assert found.usual == pytest.approx(100.0)


def test_the_level_is_that_of_the_other_days():
    sold = weeks(10, d69=100_000.0)
    believed = without(sold, doubtful_days(sold))

    assert Past(sold).level[-1, 0] > 3000
    assert Past(believed).level[-1, 0] == pytest.approx(100.0, rel=0.02)


def test_a_feast_of_five_times_the_usual_and_a_party_that_orders_a_rare_dish_are_believed():
    rare = np.zeros((70, 1))
    rare[::3] = 1.0
    rare[60] = 20.0

    assert rows(weeks(10, d50=500.0)) == []
    assert rows(rare) == []


@pytest.mark.parametrize("typed", [600.0, 1_000.0, 100_000.0])
def test_one_digit_too_many_is_enough(typed):
    assert rows(np.where(np.arange(70) == 50, typed, 60.0)[:, None]) == [50]


@pytest.mark.parametrize("every", [1, 3, 7])
def test_two_hundred_of_a_dish_that_sells_two_is_doubtful_however_rarely_it_sells(every):
    sold = np.zeros((140, 1))
    sold[::every] = 2.0
    sold[105] = 200.0

    assert rows(sold) == [105]


def test_a_weekday_that_sells_many_times_the_others_is_believed():
    week = [10.0, 10.0, 10.0, 10.0, 10.0, 300.0, 0.0]

    assert rows(np.array(week * 10)[:, None]) == []


def test_a_new_level_is_believed_on_its_fourth_day():
    assert rows(np.concatenate([weeks(10), 50 * weeks(10)])) == [70, 71, 72]


def test_a_dish_that_grows_fast_is_believed():
    assert rows(np.round(2 * 1.2 ** np.arange(40))[:, None]) == []


@pytest.mark.parametrize("typed", [600.0, 1_000.0, 100_000.0])
@pytest.mark.parametrize("back", [1, 5, 20])
def test_the_forecast_stays_what_it_is_without_the_day(server_state, typed, back):
    store = chain(6, level=60.0)["S01"]
    sold = store.quantities.copy()
    sold[-back, 0] = typed
    believed = without(sold, doubtful_days(sold))

    before = forecast(server_state, store)[0]
    after = forecast(server_state, replace(store, quantities=believed))[0]

    assert after.mean == pytest.approx(before.mean, rel=0.05)


@pytest.fixture(scope="module")
def server_state():
    """A model of a chain that sells some 60 a day."""
    return simulate(kind=DEMAND_FORECAST, config=SMALL, stores=chain(6, level=60.0)).server_state


def test_with_less_than_a_week_of_sales_nothing_is_doubtful():
    assert rows(np.array([[1.0], [100_000.0], [1.0], [1.0]])) == []


@pytest.mark.django_db
def test_a_stores_sales_leave_a_doubtful_day_out_and_people_are_told():
    store = make_store("S01")
    sell(store, dict.fromkeys(range(40), 100) | {35: 100_000})

    sales = sales_of(store, today=day(40), history_days=365)

    assert np.flatnonzero(np.isnan(sales.quantities[:, 0])).tolist() == [35]
    (doubt,) = doubts_of(store, today=day(40))
    assert (doubt.day, doubt.name, doubt.reported, doubt.usual) == (day(35), "Rice", 100_000, 100)


@pytest.mark.django_db
def test_the_forecasts_page_shows_a_doubtful_day(admin_client):
    store = make_store("S01")
    today = store.business_day(timezone.now())
    start = (today - day(0)).days
    sell(store, {start - back: 100 for back in range(1, 40)} | {start - 5: 100_000})

    page = admin_client.get("/admin/neural_forecasting/forecast/store/S01/").content.decode()

    doubtful = today - dt.timedelta(days=5)
    assert f"{doubtful} is doubtful and left out of forecasts: 100,000 of Rice" in page
