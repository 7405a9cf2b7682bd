"""Personal weights under a prior learned from all stores."""

import numpy as np
import pytest

from neural.forecasting.core import glm
from neural.forecasting.core.features import FEATURES, training_examples
from tests.unit.forecasting.sales_of_a_store import sales_of, weekly_demand

SIZE = len(FEATURES) + 1
RIDGE = 0.03


def problems(*, weekends: list[float], days: int = 200) -> list[glm.LocalObjective]:
    """Stores that differ in how much more they sell on weekends."""
    stores = []
    for seed, weekend in enumerate(weekends):
        sales = sales_of(weekly_demand(days=days, weekend=weekend, seed=seed, level=60))
        stores.append(training_examples(sales, first_day=0, end_day=days, horizons=(1, 7)))
    standard = glm.agreed_standard([glm.standard_sums(each.values) for each in stores])
    return [glm.problem(each, standard) for each in stores]


def centre_of(stores: list[glm.LocalObjective]) -> np.ndarray:
    weights = np.zeros(SIZE)
    for _ in range(20):
        own = [glm.fedprox(each, broadcast=weights, ridge=0.01, proximal=0.0) for each in stores]
        weights = np.mean(own, axis=0)
    return weights


def variance_of(stores: list[glm.LocalObjective], centre: np.ndarray) -> np.ndarray:
    spreads = [glm.spread(each, centre=centre, ridge=RIDGE, temper=2.0) for each in stores]
    return glm.prior_variance(np.mean([each.excess for each in spreads], axis=0))


def test_stores_that_differ_leave_more_room_than_stores_that_are_alike():
    # A store that is shut all day on Sundays and one that lives of them need other weights.
    alike, different = problems(weekends=[1.4] * 6), problems(weekends=[0.4, 0.8, 1.2, 2, 3, 4])
    room = [variance_of(each, centre_of(each)).sum() for each in (alike, different)]

    assert room[1] > 3 * room[0]


def test_a_prior_variance_is_never_below_zero_nor_beyond_its_limit():
    assert glm.prior_variance(np.array([0.15, -0.2, 7.0])) == pytest.approx([0.15, 0.0, 1.0])


def test_what_chance_explains_is_no_excess():
    spread = glm.WeightDeviation(np.array([0.1, 0.0, 1e9]), np.array([0.04, 1e9, 0.0]))

    assert spread.excess == pytest.approx([0.06, -1.0, 1.0])


def test_without_variance_a_stores_weights_are_the_chains():
    (store,) = problems(weekends=[2.0])
    centre = np.random.default_rng(0).normal(0, 0.02, SIZE)
    found = glm.personal_weights(store, centre=centre, variance=np.zeros(SIZE), temper=3.0)

    assert found == pytest.approx(centre, abs=1e-3)


def test_with_room_a_store_fits_its_own_days_better_than_the_chain_does():
    stores = problems(weekends=[0.5, 1.0, 2.0, 3.0])
    centre = centre_of(stores)
    variance = variance_of(stores, centre)
    for store in stores:
        own = glm.personal_weights(store, centre=centre, variance=variance, temper=3.0)
        assert glm.loss(store, own) < glm.loss(store, centre)


def test_a_higher_temper_holds_a_store_nearer_to_the_chain():
    stores = problems(weekends=[0.5, 3.0])
    centre, variance = centre_of(stores), np.full(SIZE, 0.01)
    far = [
        np.linalg.norm(
            glm.personal_weights(stores[1], centre=centre, variance=variance, temper=temper)
            - centre
        )
        for temper in (3.0, 30.0, 3000.0)
    ]

    assert far == sorted(far, reverse=True)
    assert far[2] < 0.3 * far[0]


def test_a_store_without_examples_has_the_chains_weights():
    nothing = glm.LocalObjective(
        design=np.empty((0, SIZE), dtype=np.float32),
        offset=np.empty(0),
        target=np.empty(0),
        total=1.0,
    )
    centre = np.arange(SIZE, dtype=float)

    found = glm.personal_weights(nothing, centre=centre, variance=np.ones(SIZE), temper=3.0)
    assert found.tolist() == centre.tolist()


@pytest.mark.parametrize(("days", "expected"), [(365, 3), (1000, 3), (80, 29), (28, 141), (1, 200)])
def test_a_short_history_is_trusted_less(days, expected):
    assert glm.temper(days) == pytest.approx(expected, rel=0.02)


def test_a_target_seen_from_four_horizons_is_one_piece_of_evidence():
    sales = sales_of(weekly_demand(days=60))
    seen = training_examples(sales, first_day=30, end_day=60, horizons_each=4)

    assert glm.sightings(seen) == 4
    assert glm.temper(365, 4) == 12
