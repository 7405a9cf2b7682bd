"""Sums of errors, and the figures they make."""

import numpy as np
import pytest

from neural.forecasting.core.evaluation import (
    add_up,
    band_sums,
    figures,
    naive_errors,
    pinball,
    point_sums,
    poisson_deviance,
)

TARGET = np.array([10.0, 0.0, 4.0, np.nan])
FORECAST = np.array([8.0, 1.0, 5.0, 100.0])


def test_the_deviance_is_that_of_poisson():
    """sklearn.metrics.mean_poisson_deviance of the same: 0.8923 = 2.677 / 3."""
    found = poisson_deviance(TARGET[:3], FORECAST[:3])

    assert found == pytest.approx([0.46287, 2.0, 0.21485], abs=1e-4)


def test_a_forecast_of_nothing_has_a_finite_deviance():
    found = poisson_deviance(np.array([0.0, 3.0]), np.array([0.0, 0.0]))

    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(0.0, abs=1e-5)
    assert found[1] > 50


def test_figures_come_from_the_rows_whose_target_is_known():
    found = figures(point_sums(TARGET, FORECAST, naive_error=2.0))

    assert found["wape"] == pytest.approx((2 + 1 + 1) / 14)
    assert found["mase"] == pytest.approx((2 + 1 + 1) / 3 / 2)
    assert found["bias"] == pytest.approx(14 / 14)
    assert found["deviance"] == pytest.approx(2.67772 / 3, abs=1e-4)


def test_sums_of_two_stores_are_those_of_all_their_rows():
    rng = np.random.default_rng(1)
    target, forecast = rng.poisson(5, 100).astype(float), rng.gamma(5, 1, 100)
    quantiles = forecast[:, None] * np.array([0.6, 1.0, 1.5])
    apart = [
        point_sums(target[of], forecast[of]) | band_sums(target[of], quantiles[of])
        for of in (slice(0, 30), slice(30, None))
    ]

    together = point_sums(target, forecast) | band_sums(target, quantiles)
    added = add_up({"a method": each} for each in apart)["a method"]
    assert added == pytest.approx(together)
    assert figures(added)["wape"] == pytest.approx(figures(together)["wape"])


def test_without_rows_nothing_is_said():
    nothing = np.array([np.nan])
    sums = point_sums(nothing, nothing) | band_sums(nothing, np.full((1, 3), np.nan))

    assert set(figures(sums).values()) == {None}
    assert set(figures({}).values()) == {None}


def test_a_miss_below_the_tenth_percentile_costs_nine_times_one_above():
    target = np.array([9.0, 11.0])

    assert pinball(target, np.array([10.0, 10.0]), level=0.1) == pytest.approx([0.9, 0.1])


def test_coverage_counts_what_lies_within_the_band_its_ends_included():
    quantiles = np.tile([4.0, 5.0, 8.0], (5, 1))
    sums = band_sums(np.array([3.0, 4.0, 6.0, 8.0, 9.0]), quantiles)

    assert figures(sums)["coverage"] == pytest.approx(3 / 5)
    assert sums["below"] == 1


def test_mase_is_scaled_by_differences_to_a_week_before():
    sold = np.array([[1.0, 2.0]] * 7 + [[3.0, 2.0]] * 7)
    sold[8, 0] = np.nan
    sold[:, 1] = np.where(np.arange(14) < 7, np.nan, 2.0)

    found = naive_errors(sold)

    assert found[0] == pytest.approx(2.0)
    assert np.isnan(found[1])


@pytest.mark.parametrize("days", [0, 3, 7])
def test_too_few_days_have_no_naive_error(days):
    assert np.isnan(naive_errors(np.ones((days, 2)))).all()
