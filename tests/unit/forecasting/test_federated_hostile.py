"""What one hostile store in ten can do to the others: next to nothing, whatever it sends."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neural.forecasting.core.aggregation import (
    aggregate,
    clip_to_median_norm,
    trimmed_count,
    trimmed_mean,
    update_norm,
    weighted_mean,
)
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.protocol import AnswerRefused, TrainingConfig

FEATURES = 6
HOSTILE = "07-hostile"
"""Neither the first nor the last store in order."""

numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
anything = st.floats(-1e99, 1e99, allow_subnormal=False)


@st.composite
def with_hostile(draw, share=0.1):
    """Updates of honest stores, and of as many hostile ones as trimming is to bear."""
    count = draw(st.integers(5, 20))
    hostile_count = trimmed_count(count, trim_share=share)
    honest = draw(arrays.arrays(np.float64, (count - hostile_count, 3), elements=numbers))
    hostile = draw(arrays.arrays(np.float64, (hostile_count, 3), elements=anything))
    return (
        {f"{store:02}": update for store, update in enumerate(honest)},
        {f"{store:02}-hostile": update for store, update in enumerate(hostile)},
    )


# Of one aggregation


@settings(deadline=None)
@given(with_hostile())
def test_hostile_stores_cannot_take_the_trimmed_mean_out_of_the_honest_range(stores):
    honest, hostile = stores
    stacked = np.stack(list(honest.values()))

    found = trimmed_mean(honest | hostile, trim_share=0.1)

    assert (stacked.min(axis=0) <= found).all()
    assert (found <= stacked.max(axis=0)).all()


@settings(deadline=None)
@given(with_hostile(), st.integers(1, 10**30))
def test_whatever_hostile_stores_send_and_claim_the_mean_is_no_longer_than_an_honest_update(
    stores, claimed
):
    honest, hostile = stores
    counts = dict.fromkeys(honest, 300) | dict.fromkeys(hostile, claimed)
    longest = max(update_norm(update) for update in honest.values())

    found = aggregate(
        config=TrainingConfig(clipping_norm=1e90), updates=honest | hostile, claimed=counts
    )

    assert update_norm(found) <= longest * (1 + 1e-9)


@settings(deadline=None)
@given(arrays.arrays(np.float64, (3,), elements=anything), st.integers(750, 10**30))
def test_a_claim_of_examples_is_worth_two_and_a_half_honest_stores(update, claimed):
    honest = {f"{store:02}": np.array([1.0, -1.0, store / 10]) for store in range(9)}
    config = TrainingConfig(clipping_norm=1e90)

    def found(count):
        return aggregate(
            config=config,
            updates=honest | {HOSTILE: update},
            claimed=dict.fromkeys(honest, 300) | {HOSTILE: count},
        )

    assert np.array_equal(found(claimed), found(750))
    # 2.5 of 11.5 parts, of a length that honest stores set.
    alone = weighted_mean(honest, weights=dict.fromkeys(honest, 1.0))
    longest = max(update_norm(each) for each in honest.values())
    assert update_norm(found(claimed) - alone) <= 2 * 2.5 / 11.5 * longest + 1e-9


# Of a whole training


class Shop:
    """A store with Poisson demand of its own, which trains as FedProx has it."""

    def __init__(self, seed, days=200):
        dice = np.random.default_rng(seed)
        self.design = np.hstack([np.ones((days, 1)), dice.normal(size=(days, FEATURES - 1))])
        chain = np.array([2.0, 0.5, -0.4, 0.3, 0.2, -0.1])
        own = chain + 0.1 * dice.normal(size=FEATURES)
        self.demand = dice.poisson(np.exp(self.design @ own)).astype(np.float64)

    def loss(self, weights):
        """Deviance of Poisson by day, but for what weights do not change."""
        predicted = self.design @ weights
        return float((np.exp(predicted) - self.demand * predicted).mean())

    def update(self, broadcast, proximal=5.0):
        weights = broadcast.copy()
        for _ in range(3):
            mean = np.exp(self.design @ weights)
            slope = self.design.T @ (mean - self.demand) / self.demand.sum()
            curve = (self.design * mean[:, None]).T @ self.design / self.demand.sum()
            slope += proximal * (weights - broadcast)
            weights -= np.linalg.solve(curve + proximal * np.eye(FEATURES), slope)
        return weights - broadcast


SHOPS = {f"{seed:02}": Shop(seed) for seed in range(10)} | {HOSTILE: Shop(7)}
del SHOPS["07"]

ATTACKS = {
    "ten times its update, backwards": lambda update: -10 * update,
    "far out": lambda update: np.full_like(update, 1e9),
    "its update backwards": lambda update: -update,
    "nothing": lambda update: 0 * update,
}


def trained(attack=None, claimed=200, *, combine=None, **options):
    """Mean loss of the honest stores after 30 exchanges, one of the ten hostile."""
    options = {"clipping_norm": 10.0} | options
    config = TrainingConfig(**options)
    weights = np.zeros(FEATURES)
    for _ in range(30):
        updates = {name: shop.update(weights) for name, shop in SHOPS.items()}
        counts = dict.fromkeys(SHOPS, 200)
        if attack:
            updates[HOSTILE] = attack(updates[HOSTILE])
            counts[HOSTILE] = claimed
        if combine:
            weights = weights + combine(updates)
        else:
            weights = weights + aggregate(config=config, updates=updates, claimed=counts)
    return float(np.mean([s.loss(weights) for name, s in SHOPS.items() if name != HOSTILE]))


def excess(loss):
    """By how much worse than without hostile stores, in parts of what training had gained."""
    clean = trained()
    start = np.mean([s.loss(np.zeros(FEATURES)) for n, s in SHOPS.items() if n != HOSTILE])
    return (loss - clean) / (start - clean)


@pytest.mark.parametrize("attack", ATTACKS)
def test_one_hostile_store_in_ten_costs_less_than_two_percent(attack):
    assert excess(trained(ATTACKS[attack])) < 0.02


def test_a_hostile_store_that_claims_more_examples_as_well_costs_less_than_two_percent():
    assert excess(trained(lambda update: -10 * update, 10**12)) < 0.02


def test_without_clipping_one_hostile_store_would_ruin_it():
    def plain(updates):
        mean = weighted_mean(updates, weights=dict.fromkeys(updates, 1.0))
        return np.clip(mean, -0.2, 0.2)  # for the exponential to stay finite

    assert excess(trained(lambda update: -10 * update, combine=plain)) > 0.2


def test_clipping_at_the_median_norm_costs_honest_stores_nothing_to_speak_of():
    def plain(updates):
        return weighted_mean(updates, weights=dict.fromkeys(updates, 1.0))

    assert abs(excess(trained(combine=plain))) < 0.002


# What is refused at the entry point


BAD = {
    "not_finite": encode(np.array([1.0, math.nan, 0.0, 0.0, 0.0, 0.0])),
    "wrong_shape": encode(np.zeros(FEATURES + 1)),
    "wrong_type": encode(np.zeros(FEATURES), dtype="<f4"),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_store_that_is_refused_leaves_the_result_of_the_others_as_it_was(reason):
    honest = {name: SHOPS[name].update(np.zeros(FEATURES)) for name in SHOPS if name != HOSTILE}
    sent = {name: encode(update) for name, update in honest.items()} | {HOSTILE: BAD[reason]}

    taken, refused = {}, {}
    for store, answer in sent.items():
        try:
            taken[store] = decode(answer, dtype="<f8", shape=(FEATURES,))
        except AnswerRefused as error:
            refused[store] = error.reason

    assert refused == {HOSTILE: reason}
    config = TrainingConfig()
    of_taken, of_honest = (
        aggregate(config=config, updates=each, claimed=dict.fromkeys(each, 200))
        for each in (taken, honest)
    )
    assert of_taken.tobytes() == of_honest.tobytes()


def test_half_of_the_stores_can_do_as_they_please():
    """The limit of clipping: more hostile stores than honest ones set the norm."""
    updates = {"a": np.ones(2), "b": np.ones(2)} | {h: np.full(2, -1e3) for h in "wxyz"}

    assert update_norm(clip_to_median_norm(updates)["w"]) > 100
