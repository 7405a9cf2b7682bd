"""Models of older features beside those of the newest: each is used with its own columns."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from neural.forecasting.core import program as demand
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.expectation import forecast
from neural.forecasting.core.features import BEFORE_CHANNELS, SETS, WITH_CHANNELS
from neural.forecasting.core.participant import simulate
from neural.forecasting.core.program import DemandProgram
from neural.forecasting.core.protocol import AnswerRefused
from neural.forecasting.core.series import CHANNELS
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from tests.unit.forecasting.chains import SMALL, chain

pytestmark = pytest.mark.slow

OLDER = replace(SMALL, features=BEFORE_CHANNELS.hash)


def with_channels(sales, seed=0):
    """The store with deliveries that grow, of its first dish most."""
    dice = np.random.default_rng(seed)
    share = np.linspace(0.05, 0.5, sales.days)[:, None] * np.array([1.0, 0.2])
    delivered = dice.binomial(sales.quantities.astype(int), share)
    channels = np.zeros((len(CHANNELS), *delivered.shape))
    channels[CHANNELS.index("delivery")] = delivered
    channels[CHANNELS.index("dine_in")] = sales.quantities - delivered
    return replace(sales, channels=channels)


@pytest.fixture(scope="module")
def plain():
    return chain()


@pytest.fixture(scope="module")
def told(plain):
    """The same stores, whose orders state their channels."""
    return {name: with_channels(sales, place) for place, (name, sales) in enumerate(plain.items())}


def trained(stores, config=SMALL, **options):
    return simulate(kind=DEMAND_FORECAST, config=config, stores=stores, **options).server_state


@pytest.fixture(scope="module")
def older(plain):
    return trained(plain, OLDER)


@pytest.fixture(scope="module")
def newer(told):
    return trained(told)


def as_text(of):
    return json.dumps(of, sort_keys=True)


def test_the_hashes_that_published_versions_carry_stay():
    assert [each.hash for each in SETS] == [
        "ec03be37f71b7cc1991732e7dbd81a08777e72c8caa60e8b5410df8002caa2a3",
        "fc043dcfa64a0ffb4b23d529a5d1a25f2ddfc1612a2496f863f36586fc50858e",
    ]


def test_a_newer_set_begins_with_the_columns_of_the_one_before():
    for one, other in pairwise(SETS):
        assert other.columns[: len(one)] == one.columns
        assert other.hash != one.hash


def test_stores_that_know_channels_train_with_them(newer):
    assert newer["model"]["schema"] == WITH_CHANNELS.hash
    assert len(DemandModel.from_json(newer["model"]).weights) == len(WITH_CHANNELS) + 1


def test_stores_that_know_none_train_the_very_model_of_before(plain, older):
    assert as_text(trained(plain)) == as_text(older)
    assert older["model"]["schema"] == BEFORE_CHANNELS.hash


def test_one_store_that_knows_them_is_enough(plain, told):
    stores = {**plain, "S00": told["S00"]}

    assert trained(stores)["model"]["schema"] == WITH_CHANNELS.hash


def test_a_round_of_older_features_asks_for_nothing_else(told, older):
    assert as_text(trained(told, OLDER)) == as_text(older)


def test_a_version_of_older_features_forecasts_as_before(plain, told, older):
    for name, sales in plain.items():
        assert forecast(older, sales) == forecast(older, told[name])


def test_a_version_of_the_newest_features_sees_the_channels(plain, told, newer):
    (one, *_), (other, *_) = forecast(newer, plain["S01"]), forecast(newer, told["S01"])

    assert one.method == other.method == "blend"
    assert one.mean != other.mean


def test_a_round_starts_from_the_weights_of_an_older_version_and_is_judged_beside_it(told, older):
    done = simulate(kind=DEMAND_FORECAST, config=SMALL, stores=told, active=older)

    assert done.server_state["model"]["schema"] == WITH_CHANNELS.hash
    assert all("active" in each["figures"] for each in done.judged.values())
    few = replace(SMALL, fit_exchanges=1, refit_exchanges=0)
    warm, cold = trained(told, few, active=older), trained(told, few)
    before, shared = DemandModel.from_json(older["model"]).weights, len(BEFORE_CHANNELS) + 1

    def distance(of):
        return np.abs(DemandModel.from_json(of["model"]).weights[1:shared] - before[1:]).max()

    assert distance(warm) < distance(cold)


def test_and_one_of_older_features_from_a_newer_version_that_all_workers_know(plain, newer):
    assert trained(plain, active=newer)["model"]["schema"] == BEFORE_CHANNELS.hash


def test_a_version_that_not_all_workers_know_is_left_aside(newer):
    begun = DemandProgram().begin(OLDER, newer)

    assert begun.server_state["active"] is None


def test_a_round_that_a_program_of_the_first_features_opened_is_gone_on_with(told, older):
    """Its state does not name the features. Its stores answer with those."""
    program, memories = DemandProgram(), {name: {} for name in told}
    step = program.begin(OLDER, None)
    step = step._replace(server_state={"active": None})
    while step.question is not None:
        answers = {
            name: demand.answer(SMALL, step.server_state, step.question, sales, memories[name])
            for name, sales in told.items()
        }
        for answer in answers.values():
            program.check(SMALL, step.server_state, step.question, answer)
        step = program.go_on(SMALL, step.server_state, step.question, answers)

    assert as_text(step.server_state) == as_text(older)


def test_a_round_of_features_that_are_not_known_here_is_not_answered(told):
    step = DemandProgram().begin(SMALL, None)
    unknown = {**step.server_state, "features": "0" * 64}

    with pytest.raises(AnswerRefused, match="wrong_version"):
        demand.answer(SMALL, unknown, step.question, told["S00"], {})


def test_an_answer_with_the_columns_of_another_set_is_refused(told):
    program = DemandProgram()
    newest, before = program.begin(SMALL, None), program.begin(OLDER, None)
    answer = demand.answer(OLDER, before.server_state, before.question, told["S00"], {})

    with pytest.raises(AnswerRefused, match="wrong_version"):
        program.check(SMALL, newest.server_state, newest.question, answer)
    answer["base"] = newest.question.content["base"]
    with pytest.raises(AnswerRefused, match="wrong_shape"):
        program.check(SMALL, newest.server_state, newest.question, answer)
