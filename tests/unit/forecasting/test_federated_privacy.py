"""A store is hidden by noise of the stated size, and what that costs is counted and bounded."""

import builtins
import math
import random

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.forecasting.core.aggregation import TooFewUpdates, update_norm
from neural.forecasting.core.privacy import (
    GRID_BITS,
    PrivacyAccountantMissing,
    PrivacyBudgetSpent,
    check_budget,
    epsilon_of,
    gaussian_noise,
    noise_deviation,
    private_mean,
    to_grid,
)
from neural.forecasting.core.protocol import AnswerRefused

pytestmark = pytest.mark.slow

ONCE_IN_A_MILLION = 4.892
"""A Gaussian number is so many standard deviations off, up or down, once in 10^6."""

multipliers = st.floats(0.3, 100)
deltas = st.sampled_from([1e-8, 1e-5, 1e-3, 0.01])


def no_noise(shape, standard_deviation):
    return np.zeros(shape)


def mean_of(updates, **options):
    options = {
        "shape": (2,),
        "invited_stores": 4,
        "clipping_norm": 5.0,
        "noise_multiplier": 1.0,
        "noise": no_noise,
    } | options
    return private_mean(updates, **options)


def delta_of_gaussian(epsilon, noise_multiplier):
    """Balle & Wang 2018, theorem 8, with the error function of the standard library."""

    def below(x):
        return 0.5 * math.erfc(-x / math.sqrt(2))

    half, whole = 0.5 / noise_multiplier, epsilon * noise_multiplier
    return below(half - whole) - math.exp(epsilon) * below(-half - whole)


# The mean


def test_the_denominator_is_the_stores_invited_never_those_that_answered():
    answered = {"a": np.array([4.0, 0.0]), "b": np.array([0.0, 2.0])}

    assert np.allclose(mean_of(answered), [1.0, 0.5])
    assert np.allclose(mean_of(answered, invited_stores=8), [0.5, 0.25])


def test_an_absent_store_counts_as_one_that_would_change_nothing():
    answered = {"a": np.array([4.0, 0.0]), "b": np.array([0.0, 2.0])}

    assert np.array_equal(mean_of(answered), mean_of(answered | {"c": np.zeros(2)}))


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), st.floats(0.1, 10))
def test_one_store_moves_the_mean_by_at_most_its_share_of_the_clipping_norm(update, norm):
    others = {"a": np.array([1.0, 2.0]), "b": np.array([-3.0, 0.5])}

    without = mean_of(others, clipping_norm=norm)
    with_it = mean_of(others | {"c": np.array(update)}, clipping_norm=norm)

    grid = (
        2
        * noise_deviation(clipping_norm=norm, noise_multiplier=1.0, invited_stores=4)
        / (2**GRID_BITS)
    )
    assert update_norm(with_it - without) <= norm / 4 + grid


def test_the_mean_does_not_depend_on_the_order_of_answers():
    dice = random.Random(7)
    updates = {str(s): np.array([dice.gauss(0, 1), dice.gauss(0, 1e9)]) for s in range(20)}
    shuffled = dict(dice.sample(sorted(updates.items()), 20))

    assert np.array_equal(mean_of(updates, invited_stores=20), mean_of(shuffled, invited_stores=20))


def test_more_answers_than_invitations_are_a_mistake():
    with pytest.raises(ValueError, match="1 were invited"):
        mean_of({"a": np.ones(2), "b": np.ones(2)}, invited_stores=1)


def test_too_few_answers_are_refused():
    with pytest.raises(TooFewUpdates):
        mean_of({})
    with pytest.raises(TooFewUpdates):
        mean_of({"a": np.ones(2)}, least_updates=2)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.array([np.nan, 0.0]), "not_finite"),
        (np.array([1e300, 0.0]), "too_large"),
        (np.zeros(3), "wrong_shape"),
        (np.zeros(2, dtype=np.float32), "wrong_type"),
    ],
)
def test_an_update_that_cannot_be_used_is_refused(bad, reason):
    with pytest.raises(AnswerRefused) as raised:
        mean_of({"a": np.ones(2), "b": bad})

    assert raised.value.reason == reason


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["noise_multiplier", "clipping_norm"])
def test_nothing_is_released_without_noise_or_a_bound(name, value):
    with pytest.raises(ValueError, match="positive and finite"):
        mean_of({"a": np.ones(2)}, **{name: value})


# The noise


def test_noise_is_gaussian_with_the_stated_standard_deviation():
    count = 400_000

    drawn = gaussian_noise((count // 4, 4), 3.0)

    assert drawn.shape == (count // 4, 4)
    drawn = drawn.ravel() / 3.0
    assert abs(drawn.mean()) < ONCE_IN_A_MILLION / math.sqrt(count)
    # The variance's own standard deviation is √(2/n), the standard deviation's half of it.
    assert abs(drawn.std() - 1) < ONCE_IN_A_MILLION / math.sqrt(2 * count)
    for sigmas in (0.5, 1.0, 2.0, 3.0):
        share = math.erfc(sigmas / math.sqrt(2))
        tolerance = ONCE_IN_A_MILLION * math.sqrt(share * (1 - share) / count)
        assert abs((np.abs(drawn) > sigmas).mean() - share) < tolerance


def test_no_number_of_the_noise_tells_another():
    count = 100_000
    tolerance = ONCE_IN_A_MILLION / math.sqrt(count)

    drawn = gaussian_noise((2 * count,), 1.0)

    for other in (drawn[count:], np.roll(drawn[:count], 1)):
        assert abs((drawn[:count] * other).mean()) < tolerance
        # A pair of Box and Muller shares its radius: were it not drawn anew, squares would tell.
        squares = (drawn[:count] ** 2 - 1) * (other**2 - 1) / 2
        assert abs(squares.mean()) < 1.5 * tolerance


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (2, 3)])
def test_noise_has_the_shape_that_is_asked_for(shape):
    assert gaussian_noise(shape, 1.0).shape == shape


def test_noise_is_never_the_same_twice():
    assert not np.array_equal(gaussian_noise((8,), 1.0), gaussian_noise((8,), 1.0))


def test_what_is_released_has_the_noise_that_the_multiplier_says():
    count = 200_000
    updates = {"a": np.zeros(count), "b": np.zeros(count)}

    found = private_mean(
        updates, shape=(count,), invited_stores=10, clipping_norm=0.5, noise_multiplier=2.0
    )

    # z·C / invited stores.
    assert noise_deviation(clipping_norm=0.5, noise_multiplier=2.0, invited_stores=10) == 0.1
    assert abs(found.std() / 0.1 - 1) < ONCE_IN_A_MILLION / math.sqrt(2 * count)


@settings(deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_what_is_released_lies_on_a_grid_that_only_the_noise_decides(value, deviation):
    [found] = to_grid(np.array([value]), standard_deviation=deviation)

    finest = deviation / 2**GRID_BITS
    assert abs(found - value) <= finest / 2
    # A power of two of at least half of it: in such steps the number is whole.
    step = 2.0 ** math.floor(math.log2(finest))
    assert (found / step).is_integer()


def test_what_is_released_is_rounded_last():
    updates = {"a": np.array([0.1, -0.2]), "b": np.array([0.3, 0.7])}

    found = mean_of(updates, noise=None)

    # σ is 5 / 4, and the largest power of two at most that is 1.
    assert all((number * 2**GRID_BITS).is_integer() for number in found.tolist())
    assert not np.array_equal(found, mean_of(updates))


# What it costs


@settings(deadline=None)
@given(multipliers, deltas)
def test_epsilon_of_one_release_is_that_of_the_analytic_gaussian_mechanism(multiplier, delta):
    epsilon = epsilon_of([multiplier], delta=delta)

    if epsilon == 0:
        assert delta_of_gaussian(0.0, multiplier) <= delta
    else:
        assert delta_of_gaussian(epsilon, multiplier) == pytest.approx(delta, rel=1e-5)


@pytest.mark.parametrize(
    ("releases", "delta", "epsilon"),
    [([1.0], 1e-5, 4.377), ([2.0] * 10, 1e-5, 7.511), ([8.0] * 150, 1e-5, 7.226)],
)
def test_epsilon_of_some_plans(releases, delta, epsilon):
    together = 1 / math.sqrt(sum(each**-2 for each in releases))
    assert delta_of_gaussian(epsilon, together) == pytest.approx(delta, rel=0.01)

    assert epsilon_of(releases, delta=delta) == pytest.approx(epsilon, abs=0.001)


@pytest.mark.parametrize("releases", [[1.0], [2.0, 3.0, 1.5], [4.0] * 30])
def test_epsilon_agrees_with_both_of_googles_accountants(releases):
    losses, moments = PLDAccountant(), RdpAccountant()
    for each in releases:
        losses.compose(GaussianDpEvent(each))
        moments.compose(GaussianDpEvent(each))

    found = epsilon_of(releases, delta=1e-5)

    assert found == pytest.approx(losses.get_epsilon(1e-5), rel=1e-3)
    # Rényi's divergence gives a bound, some percent above.
    assert found <= moments.get_epsilon(1e-5) <= 1.15 * found


@settings(deadline=None)
@given(st.lists(multipliers, min_size=1, max_size=20), multipliers, deltas, st.randoms())
def test_every_release_costs_and_their_order_does_not_matter(releases, another, delta, dice):
    epsilon = epsilon_of(releases, delta=delta)

    assert epsilon_of(dice.sample(releases, len(releases)), delta=delta) == epsilon
    assert epsilon_of([*releases, another], delta=delta) >= epsilon
    assert epsilon_of([each * 1.5 for each in releases], delta=delta) <= epsilon
    assert epsilon_of(releases, delta=delta / 10) >= epsilon
    if epsilon > 0.01:
        assert epsilon_of([*releases, another], delta=delta) > epsilon


def test_four_releases_cost_what_one_with_half_the_noise_costs():
    assert epsilon_of([2.0] * 4, delta=1e-5) == pytest.approx(epsilon_of([1.0], delta=1e-5))


def test_nothing_released_costs_nothing():
    assert epsilon_of([], delta=1e-5) == 0.0


@pytest.mark.parametrize("multiplier", [0.0, 5e-324, 1e-200, 1e-100, 1e-4])
def test_a_release_with_next_to_no_noise_costs_everything(multiplier):
    assert epsilon_of([multiplier], delta=1e-5) == math.inf
    assert epsilon_of([3.0, multiplier], delta=1e-5) == math.inf


def test_many_releases_with_little_noise_cost_everything_together():
    assert epsilon_of([0.0011], delta=1e-5) < math.inf
    assert epsilon_of([0.0011] * 2, delta=1e-5) == math.inf


@pytest.mark.parametrize("multiplier", [1e7, 1e100, 1e300, math.inf])
def test_a_release_of_noise_alone_costs_next_to_nothing(multiplier):
    assert 0 <= epsilon_of([multiplier], delta=1e-9) < 1e-3
    assert epsilon_of([2.0, multiplier], delta=1e-9) == pytest.approx(epsilon_of([2.0], delta=1e-9))


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, float("nan")])
def test_delta_is_between_0_and_1(delta):
    with pytest.raises(ValueError, match="delta"):
        epsilon_of([1.0], delta=delta)


@pytest.mark.parametrize("multiplier", [-1.0, float("nan")])
def test_a_noise_multiplier_is_a_number_and_not_negative(multiplier):
    with pytest.raises(ValueError, match="noise multiplier"):
        epsilon_of([1.0, multiplier], delta=1e-5)


# The budget


def test_a_plan_within_the_budget_is_told_what_will_be_spent():
    after = check_budget([2.0] * 5, [2.0] * 5, budget_epsilon=8.0, delta=1e-5)

    assert after == epsilon_of([2.0] * 10, delta=1e-5)


def test_a_plan_that_would_pass_the_budget_is_refused():
    with pytest.raises(PrivacyBudgetSpent) as raised:
        check_budget([2.0] * 5, [2.0] * 5, budget_epsilon=7.0, delta=1e-5)

    assert raised.value.permanent
    assert raised.value.epsilon == epsilon_of([2.0] * 5, delta=1e-5)
    assert raised.value.epsilon_after == epsilon_of([2.0] * 10, delta=1e-5)
    assert str(raised.value) == "epsilon is 4.98 and would be 7.51, more than the budget of 7"


def test_the_budget_may_be_spent_to_the_end_and_no_further():
    all_of_it = epsilon_of([2.0] * 3, delta=1e-5)

    check_budget([2.0] * 2, [2.0], budget_epsilon=all_of_it, delta=1e-5)
    with pytest.raises(PrivacyBudgetSpent):
        check_budget([2.0] * 3, [100.0], budget_epsilon=all_of_it, delta=1e-5)


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_of_nothing_allows_nothing(budget):
    with pytest.raises(PrivacyBudgetSpent):
        check_budget([], [2.0], budget_epsilon=budget, delta=1e-5)


def test_without_the_accountant_nothing_is_released_and_the_error_says_what_to_install(
    monkeypatch,
):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "dp_accounting":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(PrivacyAccountantMissing, match=r"zhilian-neural\[privacy\]") as raised:
        check_budget([], [2.0], budget_epsilon=8.0, delta=1e-5)
    assert raised.value.permanent
