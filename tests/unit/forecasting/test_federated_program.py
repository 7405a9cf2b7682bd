"""The demand forecast's program: what is asked, what is refused, what answers add up to."""

import json
from dataclasses import replace

import numpy as np
import pytest

from neural.forecasting.core import aggregation, evaluation
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.participant import simulate
from neural.forecasting.core.program import DemandProgram, expected_exchanges
from neural.forecasting.core.protocol import AnswerRefused
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from tests.unit.forecasting.chains import SMALL, chain
from tests.unit.forecasting.test_federated_client import KINDS, exchanges

pytestmark = pytest.mark.slow

PROGRAM = DemandProgram()


def trained(stores=None, config=SMALL, **options):
    return simulate(kind=DEMAND_FORECAST, config=config, stores=stores or chain(), **options)


@pytest.fixture(scope="module")
def of_a_round():
    return {
        question.kind: (server_state, question, answers)
        for server_state, question, answers in exchanges(chain())
    }


def test_it_asks_in_turn():
    asked = [question for _, question, _ in exchanges(chain())]
    kinds = [question.kind for question in asked]

    assert list(dict.fromkeys(kinds)) == KINDS
    assert kinds.count("fit") == 2 + 2
    assert kinds.count("grow") == 4 + 4  # two stages of four trees, two levels each
    assert [question.number for question in asked] == list(range(1, len(asked) + 1))
    assert len(asked) == expected_exchanges(SMALL)


def test_without_trees_none_are_asked_for():
    config = replace(SMALL, trees=0)
    kinds = [question.kind for _, question, _ in exchanges(chain(), config)]

    assert kinds == [
        "describe",
        "fit",
        "fit",
        "spread",
        "calibrate",
        "judge",
        "fit",
        "fit",
        "confirm",
    ]
    assert len(kinds) == expected_exchanges(config)


# The refit


def test_the_days_that_were_kept_back_are_trained_on_once_the_candidate_is_better():
    with_refit, without = trained(chain(8)), trained(chain(8), replace(SMALL, refit_exchanges=0))

    assert with_refit.server_state["quality"]["refitted"]
    assert not without.server_state["quality"]["refitted"]
    assert with_refit.server_state["model"]["forest"] != without.server_state["model"]["forest"]
    assert with_refit.judged == without.judged


def worst(store, question, answer):
    """A store that says of the candidate that it is bad."""
    if question.kind != "judge":
        return answer
    bad = {**answer["figures"]["candidate"], "deviance": 1e9}
    return {**answer, "figures": {**answer["figures"], "candidate": bad}}


def test_what_is_refused_is_refitted_too_because_a_person_may_publish_it():
    done = trained(chain(8), tamper=worst)

    assert not evaluation.judge([each["figures"] for each in done.judged.values()]).better
    assert done.exchanges == expected_exchanges(SMALL)
    assert done.server_state["quality"]["refitted"]


def spoilt(store, question, answer):
    """Stores that were honest until their candidate had been judged."""
    if question.kind == "confirm":
        return {**answer, "refitted": answer["judged"] * 2}
    return answer


def test_a_refit_that_is_worse_on_days_it_has_seen_gives_way_to_what_was_judged():
    done = trained(chain(8), tamper=spoilt)
    judged = trained(chain(8), replace(SMALL, refit_exchanges=0))

    assert not done.server_state["quality"]["refitted"]
    assert done.server_state["model"] == judged.server_state["model"]


def test_the_same_answers_give_the_same_server_state_whatever_their_order():
    for server_state, question, answers in exchanges(chain()):
        backwards = dict(reversed(answers.items()))
        one = PROGRAM.go_on(SMALL, server_state, question, answers)
        other = PROGRAM.go_on(SMALL, server_state, question, backwards)
        assert json.dumps(one.server_state) == json.dumps(other.server_state)


def test_whether_stores_answer_as_one_or_singly_makes_no_difference():
    grouped, alone = trained(), trained(tamper=lambda store, question, answer: answer)

    assert json.dumps(grouped.server_state) == json.dumps(alone.server_state)


def test_a_finished_model_is_json_of_a_model_and_its_quality():
    server_state = trained().server_state

    assert set(server_state) == {"model", "quality"}
    json.dumps(server_state, allow_nan=False)
    assert DemandModel.from_json(server_state["model"]).forest.is_complete


def test_the_model_beats_what_needs_no_learning():
    """A level and a weekday with chance: four weeks of a weekday tell less than all stores."""
    judged = trained(chain(8)).judged.values()

    verdict = evaluation.judge([each["figures"] for each in judged])

    assert verdict.better, verdict


def test_a_round_starts_from_the_version_in_force():
    first = trained(config=replace(SMALL, fit_exchanges=6, trees=0))
    again = trained(config=replace(SMALL, fit_exchanges=1, trees=0), active=first.server_state)
    cold = trained(config=replace(SMALL, fit_exchanges=1, trees=0))

    def weights(of):
        return DemandModel.from_json(of.server_state["model"]).weights

    assert np.abs(weights(again) - weights(first)).max() < 0.02
    assert np.abs(weights(cold) - weights(first)).max() > 0.02


def test_a_version_of_other_features_is_not_started_from():
    foreign = {"model": {"schema": "of another time"}, "quality": {}}

    assert PROGRAM.begin(SMALL, foreign).server_state["active"] is None


# What is refused


def refused(of_a_round, kind, **changes):
    server_state, question, answers = of_a_round[kind]
    answer = {**answers["S01"], **changes}
    with pytest.raises(AnswerRefused) as caught:
        PROGRAM.check(SMALL, server_state, question, answer)
    return caught.value.reason


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_answer_is_taken(of_a_round, kind):
    server_state, question, answers = of_a_round[kind]
    for answer in answers.values():
        PROGRAM.check(SMALL, server_state, question, json.loads(json.dumps(answer)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_with_a_key_more_is_refused(of_a_round, kind):
    assert refused(of_a_round, kind, rows=[1, 2, 3]) == "wrong_keys"


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_made_from_another_state_is_refused(of_a_round, kind):
    assert refused(of_a_round, kind, base="0123456789abcdef") == "wrong_version"


@pytest.mark.parametrize("claimed", [10**12, 2**70])
def test_a_claim_of_more_examples_than_a_store_can_have_is_refused(of_a_round, claimed):
    assert refused(of_a_round, "fit", examples=claimed) == "too_many_examples"


@pytest.mark.parametrize("claimed", [0, -1, 1.5, True, "many", None])
def test_a_claim_that_is_no_count_is_refused(of_a_round, claimed):
    assert refused(of_a_round, "fit", examples=claimed) == "wrong_type"


def update_of(of_a_round, change):
    value = of_a_round["fit"][2]["S01"]["update"]
    update = decode(value, dtype="<f8", shape=(None,))
    return encode(change(update), dtype="<f8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda update: update * np.nan, "not_finite"),
        (lambda update: update[:-1], "wrong_shape"),
        (lambda update: np.full_like(update, 1e9), "norm"),
    ],
)
def test_an_update_that_is_no_update_is_refused(of_a_round, change, reason):
    assert refused(of_a_round, "fit", update=update_of(of_a_round, change)) == reason


def test_a_norm_that_is_not_the_updates_is_refused(of_a_round):
    assert refused(of_a_round, "fit", update_norm=0.5) == "out_of_range"


def test_sums_of_another_shape_are_refused(of_a_round):
    sums = {
        "gradient": encode(np.zeros(3), dtype="<i8"),
        "hessian": encode(np.zeros(3), dtype="<i8"),
    }

    assert refused(of_a_round, "grow", sums=sums) == "wrong_shape"


def test_figures_of_other_rows_for_one_method_are_refused(of_a_round):
    figures = json.loads(json.dumps(of_a_round["judge"][2]["S01"]["figures"]))
    figures["candidate"]["count"] += 1

    assert refused(of_a_round, "judge", figures=figures) == "inconsistent"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, "1", None])
def test_figures_that_are_no_sums_are_refused(of_a_round, value):
    figures = json.loads(json.dumps(of_a_round["judge"][2]["S01"]["figures"]))
    figures["candidate"]["deviance"] = value

    assert refused(of_a_round, "judge", figures=figures) in ("out_of_range", "wrong_type")


def test_residuals_that_are_no_sums_are_refused(of_a_round):
    residuals = json.loads(json.dumps(of_a_round["calibrate"][2]["S01"]["residuals"]))
    residuals["odd"]["ratio"] = [float("inf")] * 3

    assert refused(of_a_round, "calibrate", residuals=residuals) == "out_of_range"


def test_no_answers_are_too_few(of_a_round):
    server_state, question, _ = of_a_round["fit"]

    with pytest.raises(aggregation.TooFewUpdates):
        PROGRAM.go_on(SMALL, server_state, question, {})


def wrong_sums(store, question, answer):
    """Gradients times -10, of one store."""
    if question.kind != "grow" or store != "S03":
        return answer
    sent = answer["sums"]["gradient"]
    gradient = -10 * decode(sent, dtype=sent["dtype"], shape=(None,)).astype(np.int64)
    return {**answer, "sums": {**answer["sums"], "gradient": encode(gradient)}}


def test_a_store_that_sends_wrong_sums_is_left_out_and_named_and_the_round_goes_on():
    done = trained(chain(8), tamper=wrong_sums)

    assert done.refused == {"S03": "outlier"}
    assert DemandModel.from_json(done.server_state["model"]).forest.is_complete
    assert set(done.judged) == set(chain(8)) - {"S03"}


# Stores of which little is known


def closed_at_last(sales, days=14):
    """The store, closed on its last days."""
    quantities, closed = sales.quantities.copy(), sales.closed.copy()
    quantities[-days:] = np.nan
    closed[sales.days - days : sales.days] = True
    return replace(sales, quantities=quantities, closed=closed)


@pytest.mark.parametrize("days", [4, 5, 14, 60])
def test_a_store_that_was_closed_lately_judges_by_ten_open_days_before(days):
    stores = chain(4) | {"S01": closed_at_last(chain(4)["S01"], days)}

    found = trained(stores)

    assert found.refused == {}
    of_two_dishes_from_14_origins = 2 * 14 * 10
    assert found.judged["S01"]["figures"]["candidate"]["count"] == of_two_dishes_from_14_origins


def test_a_chain_that_was_closed_on_the_days_kept_back_is_judged_by_those_before():
    found = trained({name: closed_at_last(each) for name, each in chain(4).items()})

    verdict = evaluation.judge([each["figures"] for each in found.judged.values()])
    assert verdict.reason != "not_judged"
