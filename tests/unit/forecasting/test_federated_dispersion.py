"""How far sales scatter around a forecast, and the bands that follow."""

import numpy as np
import pytest

from neural.forecasting.core.dispersion import SUMS, Dispersion, fitted, residual_sums

SCATTER = Dispersion((1.5, 1.5, 1.5), (0.05, 0.05, 0.05))
MEANS = np.array([0.1, 0.5, 1.0, 2.0, 5.0, 12.0, 25.0])
TOMORROW = np.ones(7, dtype=np.int16)


def test_quantiles_of_counts_are_those_of_the_negative_binomial():
    """scipy.stats.nbinom.ppf at the same means and variances."""
    found = SCATTER.quantiles(MEANS, TOMORROW, whole=True)

    assert found[:, 0].tolist() == [0, 0, 0, 0, 2, 6, 15]
    assert found[:, 1].tolist() == [0, 0, 1, 2, 5, 11, 24]
    assert found[:, 2].tolist() == [0, 2, 3, 4, 9, 19, 36]


def test_quantiles_of_amounts_are_those_of_the_gamma():
    """scipy.stats.gamma.ppf, to within .01 portions."""
    found = SCATTER.quantiles(MEANS, TOMORROW, whole=False)

    p10 = [0.0, 0.001, 0.038, 0.305, 1.777, 6.182, 15.135]
    p90 = [0.207, 1.458, 2.558, 4.358, 8.966, 18.714, 36.040]
    assert found[:, 0] == pytest.approx(p10, abs=0.03)
    assert found[:, 2] == pytest.approx(p90, abs=0.03)


@pytest.mark.parametrize("mean", [200.0, 5000.0])
def test_large_counts_have_the_quantiles_of_the_gamma_rounded(mean):
    whole, amounts = (
        SCATTER.quantiles(np.array([mean]), TOMORROW[:1], whole=whole) for whole in (True, False)
    )

    assert whole == pytest.approx(np.rint(amounts))


def test_what_scatters_less_than_by_chance_has_a_narrower_band():
    still = Dispersion((0.3, 0.3, 0.3), (0.0, 0.0, 0.0))
    by_chance = Dispersion((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))

    width = [
        np.ptp(each.quantiles(np.array([20.0]), TOMORROW[:1], whole=True))
        for each in (still, by_chance)
    ]

    assert width[0] < width[1]


def sampled(size=40_000):
    dice = np.random.default_rng(7)
    mean = dice.gamma(2.0, 10.0, size)
    variance = 1.5 * mean + 0.05 * mean**2
    sold = dice.negative_binomial(mean**2 / (variance - mean), mean / variance).astype(float)
    return sold, mean, dice.integers(1, 15, size)


def test_it_is_found_again_in_what_it_made():
    found = fitted([residual_sums(*sampled())])

    assert found.phi == pytest.approx([1.5] * 3, abs=0.25)
    assert found.alpha == pytest.approx([0.05] * 3, abs=0.01)


def test_ten_to_ninety_per_cent_hold_four_days_of_five():
    sold, mean, horizon = sampled()

    bands = SCATTER.quantiles(mean, horizon, whole=True)

    inside = (sold >= bands[:, 0]) & (sold <= bands[:, 2])
    assert 0.79 < inside.mean() < 0.86  # whole numbers at the edges hold a little more


def test_sums_of_stores_add_up_to_those_of_all():
    sold, mean, horizon = sampled(2000)
    half = [
        residual_sums(sold[of], mean[of], horizon[of]) for of in (slice(1000), slice(1000, None))
    ]

    assert fitted(half).phi == pytest.approx(fitted([residual_sums(sold, mean, horizon)]).phi)


def test_days_of_which_nothing_is_known_do_not_count():
    sold, mean, horizon = sampled(100)
    with_gaps = np.where(np.arange(100) < 50, sold, np.nan)

    assert residual_sums(with_gaps, mean, horizon) == residual_sums(
        sold[:50], mean[:50], horizon[:50]
    )


def test_one_feast_does_not_widen_every_band():
    sold, mean, horizon = sampled(4000)
    feast = sold.copy()
    feast[0] = 1e6

    assert fitted([residual_sums(feast, mean, horizon)]).alpha[0] < 0.2


def test_without_residuals_sales_scatter_by_chance():
    assert fitted([]) == Dispersion((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def test_residuals_of_nothing_sold_give_a_usable_dispersion():
    found = fitted([residual_sums(np.zeros(50), np.full(50, 0.01), np.ones(50, dtype=int))])

    assert all(np.isfinite(found.phi + found.alpha))
    assert np.isfinite(found.quantiles(np.array([0.01]), TOMORROW[:1], whole=True)).all()


def test_it_survives_json():
    assert Dispersion.from_json(SCATTER.as_json()) == SCATTER
    assert set(residual_sums(*sampled(10))) == set(SUMS)
