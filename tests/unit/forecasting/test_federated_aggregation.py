"""One update from many: the same whatever the order, within bounds, and hard to push about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neural.forecasting.core.aggregation import (
    TooFewUpdates,
    aggregate,
    capped_weights,
    clip,
    clip_to_median_norm,
    trimmed_count,
    trimmed_mean,
    update_norm,
    weighted_mean,
    without_leverage,
)
from neural.forecasting.core.protocol import AnswerRefused, TrainingConfig

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
counts = st.integers(1, 10**12)


@st.composite
def answers(draw, least=3, most=12):
    """Updates of one shape and counts of examples, by store."""
    stores = draw(st.lists(st.text("abc", max_size=4), unique=True, min_size=least, max_size=most))
    shape = draw(arrays.array_shapes(max_dims=2, max_side=4))
    update = arrays.arrays(np.float64, shape, elements=numbers)
    return {store: draw(update) for store in stores}, {store: draw(counts) for store in stores}


def aggregated(updates, num_examples, **options):
    options = {"clipping_norm": 1e9, "least_stores": 2} | options
    config = TrainingConfig(**options)
    return aggregate(config=config, updates=updates, claimed=num_examples)


def equal_weights(updates):
    return dict.fromkeys(updates, 1.0)


def all_means(updates, num_examples):
    """Every way of making one of many, by name."""
    weights = {store: float(count) for store, count in num_examples.items()}
    return {
        "weighted mean": weighted_mean(updates, weights=weights),
        "trimmed mean": trimmed_mean(updates, trim_share=0.1),
        "aggregate": aggregated(updates, num_examples),
    }


# In any order, by any name


@settings(deadline=None)
@given(answers(), st.randoms())
def test_the_order_in_which_stores_answered_changes_no_bit(answers, dice):
    updates, num_examples = answers
    order = dice.sample(sorted(updates), len(updates))

    found = all_means({s: updates[s] for s in order}, {s: num_examples[s] for s in order[::-1]})

    for name, expected in all_means(updates, num_examples).items():
        assert found[name].tobytes() == expected.tobytes(), name


@settings(deadline=None)
@given(answers(), st.randoms())
def test_which_store_is_called_what_changes_no_bit(answers, dice):
    updates, num_examples = answers
    names = dict(zip(updates, dice.sample(sorted(updates), len(updates)), strict=True))

    found = all_means(
        {names[s]: update for s, update in updates.items()},
        {names[s]: count for s, count in num_examples.items()},
    )

    for name, expected in all_means(updates, num_examples).items():
        # -0.0 and 0.0 are one number: which comes first in a sort is left open.
        assert np.array_equal(found[name], expected), name


def test_sums_do_not_lose_what_cancels():
    updates = {"a": np.array([1e16]), "b": np.array([1.0]), "c": np.array([-1e16])}

    assert weighted_mean(updates, weights=dict.fromkeys(updates, 1.0))[0] == pytest.approx(1 / 3)


# Bounds and scale


@settings(deadline=None)
@given(answers())
def test_no_mean_is_beyond_what_it_is_the_mean_of(answers):
    updates, num_examples = answers
    stacked = np.stack(list(updates.values()))
    weights = {store: float(count) for store, count in num_examples.items()}

    for mean in (
        weighted_mean(updates, weights=weights),
        trimmed_mean(updates, trim_share=0.2),
    ):
        assert (stacked.min(axis=0) <= mean).all()
        assert (mean <= stacked.max(axis=0)).all()


@settings(deadline=None)
@given(answers(), st.sampled_from([-4.0, -1.0, 0.25, 2.0]))
def test_updates_twice_as_large_have_a_mean_twice_as_large(answers, factor):
    updates, num_examples = answers
    scaled = {store: update * factor for store, update in updates.items()}

    expected = all_means(updates, num_examples)
    for name, found in all_means(scaled, num_examples).items():
        assert np.allclose(found, expected[name] * factor, rtol=1e-12, atol=1e-9), name


@settings(deadline=None)
@given(answers())
def test_stores_that_say_the_same_are_taken_at_their_word(answers):
    updates, num_examples = answers
    first = next(iter(updates.values()))

    for name, found in all_means(dict.fromkeys(updates, first), num_examples).items():
        assert np.allclose(found, first, rtol=1e-14, atol=0), name


# Weights


@settings(deadline=None)
@given(answers())
def test_a_store_weighs_as_much_as_so_many_stores_with_one_example_each(answers):
    updates, _ = answers
    weights = {store: float(1 + index % 3) for index, store in enumerate(updates)}
    spread = {
        f"{store}/{copy}": update
        for store, update in updates.items()
        for copy in range(int(weights[store]))
    }

    found = weighted_mean(updates, weights=weights)

    assert np.allclose(
        found, weighted_mean(spread, weights=equal_weights(spread)), rtol=1e-12, atol=1e-9
    )


@settings(deadline=None)
@given(st.dictionaries(st.text("abc"), counts, min_size=1))
def test_no_store_weighs_more_than_two_and_a_half_ordinary_stores(claimed):
    weights = capped_weights(claimed)

    assert set(weights) == set(claimed)
    assert all(0 < each <= claimed[store] for store, each in weights.items())
    assert max(weights.values()) <= 2.5 * np.median(list(claimed.values()))


def test_ordinary_claims_are_the_weights():
    assert capped_weights({"a": 300, "b": 200.5, "c": 600}) == {"a": 300.0, "b": 200.5, "c": 600.0}


@pytest.mark.parametrize("amount", [0, -1, True, 1e200, float("nan"), float("inf"), "7", None])
def test_a_claim_that_is_no_number_above_zero_is_refused(amount):
    with pytest.raises(AnswerRefused) as raised:
        capped_weights({"a": 10, "b": amount})

    assert raised.value.reason == "wrong_count"


@pytest.mark.parametrize("weights", [{"a": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "c": 1.0}])
def test_weights_are_for_the_stores_that_answered_and_positive(weights):
    with pytest.raises(ValueError, match="one positive weight"):
        weighted_mean({"a": np.ones(1), "b": np.ones(1)}, weights=weights)


# Clipping


@settings(deadline=None)
@given(
    arrays.arrays(np.float64, (5,), elements=st.floats(-1e99, 1e99)),
    st.floats(1e-6, 1e6),
)
def test_a_clipped_update_is_no_longer_than_the_norm_and_points_the_same_way(update, norm):
    clipped = clip(update, norm=norm)

    assert update_norm(clipped) <= norm * (1 + 1e-14)
    if update_norm(update) <= norm:
        assert clipped.tobytes() == update.tobytes()
    else:
        assert update_norm(clipped) == pytest.approx(norm)
        unit = update / update_norm(update)
        assert np.allclose(clipped / norm, unit, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("norm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clipping_norm_is_positive_and_finite(norm):
    with pytest.raises(ValueError, match="clipping norm"):
        clip(np.ones(2), norm=norm)


def test_the_median_norm_is_that_of_the_stores():
    updates = {"a": np.array([1.0, 0.0]), "b": np.array([0.0, 3.0]), "c": np.array([60.0, 80.0])}

    clipped = clip_to_median_norm(updates)

    assert clipped["a"].tolist() == [1.0, 0.0]
    assert clipped["b"].tolist() == [0.0, 3.0]
    assert np.allclose(clipped["c"], [1.8, 2.4])


def test_where_most_stores_change_nothing_nobody_does():
    updates = {"a": np.zeros(2), "b": np.zeros(2), "c": np.array([60.0, 80.0])}

    assert not any(clip_to_median_norm(updates)["c"])


# Cutting


@pytest.mark.parametrize(
    ("stores", "share", "cut"),
    [(3, 0.0, 1), (10, 0.1, 1), (11, 0.1, 2), (30, 0.1, 3), (35, 0.1, 4), (100, 0.07, 7)],
)
def test_at_least_one_value_is_cut_at_each_end(stores, share, cut):
    assert trimmed_count(stores, trim_share=share) == cut


def test_the_ends_are_cut_by_coordinate_not_by_store():
    updates = {
        "a": np.array([1.0, 900.0]),
        "b": np.array([2.0, 4.0]),
        "c": np.array([-900.0, 5.0]),
        "d": np.array([4.0, 6.0]),
    }

    assert trimmed_mean(updates, trim_share=0.1).tolist() == [1.5, 5.5]


@pytest.mark.parametrize("share", [-0.1, 0.5, 1.0, float("nan")])
def test_a_share_to_trim_leaves_something(share):
    with pytest.raises(ValueError, match="share to trim"):
        trimmed_mean({s: np.ones(1) for s in "abc"}, trim_share=share)


# What is refused


@pytest.mark.parametrize(
    ("means", "needed"),
    [
        (lambda updates: weighted_mean(updates, weights=equal_weights(updates)), 1),
        (
            lambda updates: weighted_mean(updates, weights=equal_weights(updates), least_updates=5),
            5,
        ),
        (lambda updates: trimmed_mean(updates, trim_share=0.0), 3),
        (lambda updates: trimmed_mean(updates, trim_share=0.0, least_updates=4), 4),
    ],
)
def test_too_few_updates_are_refused_and_just_enough_are_not(means, needed):
    updates = {str(store): np.ones(2) for store in range(needed)}
    assert means(updates).tolist() == [1.0, 1.0]

    del updates["0"]
    with pytest.raises(TooFewUpdates) as raised:
        means(updates)

    assert raised.value.permanent
    assert (raised.value.found, raised.value.needed) == (needed - 1, needed)


def test_a_share_that_would_leave_nothing_needs_more_updates():
    updates = {str(store): np.ones(1) for store in range(4)}

    with pytest.raises(TooFewUpdates):
        trimmed_mean(updates, trim_share=0.4)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.array([np.nan, 0.0]), "not_finite"),
        (np.array([0.0, -np.inf]), "not_finite"),
        (np.array([1e200, 0.0]), "too_large"),
        (np.zeros(3), "wrong_shape"),
        (np.zeros((2, 1)), "wrong_shape"),
        (np.zeros(2, dtype=np.float32), "wrong_type"),
    ],
)
def test_an_update_that_cannot_be_used_is_never_averaged(bad, reason):
    updates = {"a": np.ones(2), "b": np.ones(2), "c": np.ones(2), "d": bad}

    with pytest.raises(AnswerRefused) as raised:
        aggregated(updates, dict.fromkeys(updates, 10))

    assert raised.value.reason == reason


def test_aggregating_refuses_fewer_stores_than_the_quorum():
    updates = {str(store): np.ones(2) for store in range(4)}

    with pytest.raises(TooFewUpdates):
        aggregated(updates, dict.fromkeys(updates, 1), least_stores=5)


def test_whatever_a_store_promised_its_update_is_clipped():
    updates = {str(store): np.array([30.0, 40.0]) for store in range(4)}

    found = aggregated(updates, dict.fromkeys(updates, 1), clipping_norm=1.0)

    assert np.allclose(found, [0.6, 0.8])


def test_a_store_that_points_against_the_others_weighs_no_more_than_an_ordinary_one():
    updates = {name: np.array([1.0, 0.1 * place]) for place, name in enumerate("abcd")}
    updates["e"] = np.array([-1.0, 0.0])

    weights = without_leverage(updates, weights={"a": 1.0, "b": 2.0, "c": 3.0, "d": 5.0, "e": 5.0})

    assert weights == {"a": 1.0, "b": 2.0, "c": 3.0, "d": 5.0, "e": 3.0}
