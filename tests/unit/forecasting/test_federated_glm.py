"""The Poisson regression that stores train."""

import numpy as np
import pytest

from neural.forecasting.core import glm
from neural.forecasting.core.features import FEATURES, Examples, training_examples
from tests.unit.forecasting.sales_of_a_store import sales_of, weekly_demand

SIZE = len(FEATURES) + 1


def examples_of(*, seed: int = 0, level: float = 30.0, days: int = 120) -> Examples:
    sales = sales_of(weekly_demand(days=days, level=level, seed=seed))
    return training_examples(sales, first_day=0, end_day=days, horizons_each=4)


def standard_of(*stores: Examples) -> glm.Standard:
    return glm.agreed_standard([glm.standard_sums(each.values) for each in stores])


@pytest.fixture
def problem() -> glm.LocalObjective:
    examples = examples_of()
    return glm.problem(examples, standard_of(examples))


@pytest.fixture
def weights() -> np.ndarray:
    return np.random.default_rng(5).normal(0, 0.02, SIZE)


# Standard


def test_the_standard_of_stores_is_that_of_their_rows_together():
    one, other = examples_of(seed=1, days=60), examples_of(seed=2, days=150)
    agreed = standard_of(one, other)
    rows = np.concatenate([one.values, other.values]).astype(float)
    differs = rows.std(axis=0) > glm.LEAST_SCALE

    assert agreed.mean == pytest.approx(rows.mean(axis=0), abs=1e-9)
    assert agreed.scale[differs] == pytest.approx(rows.std(axis=0)[differs])


def test_a_feature_that_never_differs_adds_nothing():
    examples = examples_of()
    design = standard_of(examples).apply(examples.values)
    still = 1 + FEATURES.index("promotion")

    assert not design[:, still].any()
    assert (design[:, 0] == 1.0).all()


def test_a_value_far_from_all_that_was_seen_is_clipped():
    examples = examples_of()
    far = np.full((1, len(FEATURES)), 1e6, dtype=np.float32)

    assert standard_of(examples).apply(far).max() == glm.LARGEST_VALUE


def test_no_examples_have_no_standard():
    with pytest.raises(ValueError, match="no store"):
        glm.agreed_standard([glm.standard_sums(np.empty((0, 3), dtype=np.float32))])


# Loss


def test_the_gradient_is_that_of_finite_differences(problem, weights):
    step = 1e-2
    rng = np.random.default_rng(0)
    for _ in range(5):
        direction = rng.normal(size=SIZE)
        direction /= np.linalg.norm(direction)
        ahead = glm.loss(problem, weights + step * direction)
        behind = glm.loss(problem, weights - step * direction)
        slope = float(glm.gradient(problem, weights) @ direction)
        assert (ahead - behind) / (2 * step) == pytest.approx(slope, abs=3e-4)


def test_the_hessian_is_that_of_finite_differences(problem, weights):
    step = 1e-2
    direction = np.random.default_rng(1).normal(size=SIZE) / np.sqrt(SIZE)
    ahead = glm.gradient(problem, weights + step * direction)
    behind = glm.gradient(problem, weights - step * direction)

    expected = glm.hessian(problem, weights) @ direction
    assert (ahead - behind) / (2 * step) == pytest.approx(expected, abs=2e-3)


def test_the_loss_has_no_unit():
    sold = weekly_demand()
    found = []
    for unit in (1.0, 40.0):
        sales = sales_of(sold * unit)
        examples = training_examples(sales, first_day=0, end_day=120)
        standard = standard_of(examples)
        problem = glm.problem(examples, standard)
        found.append(glm.local(problem, ridge=0.1))

    level = 1 + FEATURES.index("level")
    assert np.delete(found[0], level) == pytest.approx(np.delete(found[1], level), abs=2e-3)


def test_weights_gone_wrong_do_not_overflow(problem):
    huge = np.full(SIZE, 1e30)

    assert np.isfinite(glm.loss(problem, huge))
    assert np.isfinite(glm.gradient(problem, huge)).all()
    limit = problem.offset + glm.FARTHEST
    assert (problem.offset + glm.linear_predictor(problem.design, huge) <= limit).all()


def test_a_store_that_sold_nothing_has_a_finite_loss():
    sold = np.zeros((60, 1))
    examples = training_examples(sales_of(sold), first_day=0, end_day=60)
    problem = glm.problem(examples, standard_of(examples))

    trained = glm.fedprox(problem, broadcast=np.zeros(SIZE), ridge=0.01, proximal=0.5)
    assert np.isfinite(trained).all()


# Training


def test_the_local_optimum_has_no_slope(problem):
    ridge = 0.1
    found = glm.local(problem, ridge=ridge, steps=20)

    slope = glm.gradient(problem, found) + glm.ridge_penalty(SIZE, ridge) * found
    assert np.abs(slope).max() < 1e-3


def test_local_training_lessens_the_stores_loss(problem):
    start = np.zeros(SIZE)
    trained = glm.fedprox(problem, broadcast=start, ridge=0.0, proximal=0.0)

    assert glm.loss(problem, trained) < glm.loss(problem, start)


def test_training_from_absurd_weights_does_not_make_them_worse(problem):
    start = np.random.default_rng(2).normal(0, 5, SIZE)
    trained = glm.fedprox(problem, broadcast=start, ridge=0.0, proximal=0.0)

    assert glm.loss(problem, trained) <= glm.loss(problem, start)


def test_training_does_not_diverge_where_the_loss_is_steep():
    rng = np.random.default_rng(3)
    steep = glm.LocalObjective(
        design=np.where(rng.random((200, 40)) < 0.5, -8, 8).astype(np.float32),
        offset=np.zeros(200),
        target=rng.poisson(1.0, 200).astype(float),
        total=200.0,
    )
    start = np.zeros(40)
    trained = glm.fedprox(steep, broadcast=start, ridge=0.0, proximal=0.0)

    assert glm.loss(steep, trained) < glm.loss(steep, start)


def test_the_proximal_term_holds_a_store_near_the_broadcast_weights(problem):
    start = np.zeros(SIZE)
    lengths = [
        np.linalg.norm(glm.fedprox(problem, broadcast=start, ridge=0.0, proximal=mu, steps=20))
        for mu in (0.0, 0.5, 5.0, 500.0)
    ]

    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 0.05 * lengths[0]


def test_rounds_of_stores_come_to_what_their_rows_together_teach():
    stores = [examples_of(seed=seed, level=20.0 + 30 * seed) for seed in range(4)]
    standard = standard_of(*stores)
    problems = [glm.problem(each, standard) for each in stores]
    weights = np.zeros(SIZE)
    for _ in range(60):
        trained = [
            glm.fedprox(each, broadcast=weights, ridge=0.05, proximal=0.0) for each in problems
        ]
        weights = np.mean(trained, axis=0)

    slope = np.mean([glm.gradient(each, weights) for each in problems], axis=0)
    slope += glm.ridge_penalty(SIZE, 0.05) * weights
    start = np.mean([glm.gradient(each, np.zeros(SIZE)) for each in problems], axis=0)
    assert np.linalg.norm(slope) < 0.05 * np.linalg.norm(start)


def test_a_trained_model_knows_weekends():
    examples = examples_of()
    standard = standard_of(examples)
    weights = glm.local(glm.problem(examples, standard), ridge=0.05)
    forecast = glm.forecast(examples, standard, weights)
    weekend = examples.day % 7 >= 5

    assert forecast[weekend].mean() == pytest.approx(45, rel=0.05)
    assert forecast[~weekend].mean() == pytest.approx(30, rel=0.05)


# What stores count
