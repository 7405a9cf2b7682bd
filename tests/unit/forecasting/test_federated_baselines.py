"""Forecasts without learning."""

import numpy as np
import pytest

from neural.forecasting.core.evaluation import seasonal_naive, steadied, weekday_mean
from neural.forecasting.core.features import Examples, forecast_examples, training_examples
from neural.forecasting.core.lags import Chain
from neural.forecasting.core.series import Sales
from tests.unit.forecasting.sales_of_a_store import sales_of, weekly_demand


def at(sales: Sales, day: int, horizon: int) -> Examples:
    return training_examples(sales, first_day=day, end_day=day + 1, horizons=(horizon,))


def numbered(days: int = 70) -> np.ndarray:
    """What sold on a day is the day's number."""
    return np.arange(days, dtype=float)[:, None]


@pytest.mark.parametrize(("horizon", "seen"), [(1, 53), (7, 53), (8, 46), (14, 46)])
def test_the_naive_forecast_is_the_last_same_weekday_no_later_than_the_origin(horizon, seen):
    sales = sales_of(numbered())

    assert seasonal_naive(sales, at(sales, 60, horizon)).tolist() == [seen]


def test_the_naive_forecast_passes_over_closed_days():
    sold = numbered()
    sold[[53, 46]] = np.nan
    sales = sales_of(sold)

    assert seasonal_naive(sales, at(sales, 60, 1)).tolist() == [39]


@pytest.mark.parametrize(("horizon", "mean"), [(1, 42.5), (8, 35.5)])
def test_the_weekday_mean_is_that_of_the_last_four_same_weekdays(horizon, mean):
    sales = sales_of(numbered())

    assert weekday_mean(sales, at(sales, 60, horizon)) == pytest.approx(mean)


def test_the_weekday_mean_is_that_of_the_days_that_were_open():
    sold = numbered()
    sold[[53, 39]] = np.nan
    sales = sales_of(sold)

    assert weekday_mean(sales, at(sales, 60, 1)) == pytest.approx((46 + 32) / 2)


@pytest.mark.parametrize("method", [seasonal_naive, weekday_mean])
def test_a_weekday_that_never_opened_is_forecast_at_the_level(method):
    sold = weekly_demand(days=70, dishes=1)
    sold[6::7] = np.nan
    sales = sales_of(sold)
    examples = forecast_examples(sales)
    sunday = examples.day % 7 == 6

    assert method(sales, examples)[sunday] == pytest.approx(np.exp(examples.offset[sunday]))


@pytest.mark.parametrize("method", [seasonal_naive, weekday_mean])
def test_a_store_without_history_is_forecast_at_the_usual_level(method):
    sales = sales_of(np.full((1, 1), np.nan))
    examples = forecast_examples(sales, chain=Chain(np.array([8.0]), np.ones(15)))

    assert method(sales, examples) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("days", "share"), [(7, 1 / 4), (14, 1 / 2), (42, 1 / 2), (56, 1 / 3), (88, 1 / 6), (120, 0)]
)
def test_a_model_is_averaged_with_the_weekday_mean_in_a_dishs_first_months(days, share):
    sales = sales_of(np.full((days, 1), 10.0))
    ahead = forecast_examples(sales)

    assert steadied(sales, ahead, np.full(14, 20.0)) == pytest.approx(20.0 - share * 10.0)
