"""A store's part: what leaves it, and what does not."""

import json
from dataclasses import replace

import numpy as np
import pytest

from neural.forecasting.core import program
from neural.forecasting.core.program import PHASES, DemandProgram
from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from tests.unit.forecasting.chains import SMALL, chain, store

pytestmark = pytest.mark.slow

PROGRAM = DemandProgram()
KINDS = ["describe", "fit", "spread", "grow", "calibrate", "judge", "confirm"]


def exchanges(stores, config=SMALL):
    """Each exchange of a round: server state, question, answers by store."""
    memories = {name: {} for name in stores}
    step = PROGRAM.begin(config, None)
    while step.question is not None:
        answers = {
            name: program.answer(config, step.server_state, step.question, sales, memories[name])
            for name, sales in stores.items()
        }
        yield step.server_state, step.question, answers
        step = PROGRAM.go_on(config, step.server_state, step.question, answers)


@pytest.fixture(scope="module")
def of_a_round():
    """The first exchange of each kind."""
    found = {}
    for server_state, question, answers in exchanges(chain()):
        found.setdefault(question.kind, (server_state, question, answers))
    return found


def numbers_in(value):
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers_in(each)
    elif isinstance(value, int | float):
        yield float(value)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_a_store_but_what_is_on_the_list(of_a_round, kind):
    _, _, answers = of_a_round[kind]

    for answer in answers.values():
        sent = json.loads(json.dumps(answer, allow_nan=False))
        assert set(sent) == PHASES[kind].keys


ALLOWED_WITHIN = {
    "describe": {
        ("mean",), ("square",), ("sketch", "points"), ("sketch", "counts"), ("levels", "*"),
        ("week",), ("base",), ("examples",), ("demand",),
    },
    "fit": {("base",), ("examples",), ("demand",), ("update",), ("update_norm",)},
    "spread": {("base",), ("excess",)},
    "grow": {("base",), ("stores",), ("sums", "gradient"), ("sums", "hessian")},
    "calibrate": {("base",), ("residuals", "*", "*")},
    "judge": {("base",), ("examples",), ("figures", "*", "*")},
    "confirm": {("base",), ("count",), ("refitted",), ("judged",)},
}  # fmt: skip


def leaves(value, path=()):
    if isinstance(value, dict) and set(value) != {"dtype", "shape", "data"}:
        for name, each in value.items():
            yield from leaves(each, (*path, name))
    else:
        yield path


@pytest.mark.parametrize("kind", KINDS)
def test_nor_does_anything_within_it(of_a_round, kind):
    answer = next(iter(of_a_round[kind][2].values()))

    def is_allowed(path):
        return any(
            len(path) == len(allowed)
            and all(a in ("*", p) for p, a in zip(path, allowed, strict=True))
            for allowed in ALLOWED_WITHIN[kind]
        )

    assert [path for path in leaves(answer) if not is_allowed(path)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_no_larger_for_a_longer_history(kind):
    """What has one number a day would be rows."""
    sizes = []
    for days in (90, 180):
        config = replace(SMALL, history_days=days)
        found = {
            question.kind: answers
            for _, question, answers in exchanges(chain(3, days=days), config)
            if question.kind == kind
        }
        sizes.append(len(json.dumps(found[kind]["S00"])))

    assert sizes[1] < sizes[0] * 1.1


@pytest.mark.parametrize("kind", KINDS)
def test_no_days_sales_stand_in_an_answer(of_a_round, kind):
    """No number of portions of a day is among an answer's plain numbers, but by chance."""
    odd = {name: replace(s, quantities=s.quantities + 0.123456) for name, s in chain(3).items()}
    sold = {float(each) for sales in odd.values() for each in sales.quantities.ravel()}

    for _, question, answers in exchanges(odd):
        if question.kind == kind:
            assert not sold & {each for a in answers.values() for each in numbers_in(a)}
            return


def test_a_store_with_less_than_four_weeks_cannot_take_part():
    step = PROGRAM.begin(SMALL, None)

    with pytest.raises(NotEnoughHistory, match="27 days are known"):
        program.answer(SMALL, step.server_state, step.question, store(days=27), {})


def test_four_weeks_are_enough_for_an_answer():
    """They are 28 days, of which some are kept back."""
    config = replace(SMALL, held_out_days=7)
    step = PROGRAM.begin(config, None)

    answer = program.answer(config, step.server_state, step.question, store(days=28), {})

    assert answer["examples"] > 0


def test_an_empty_memory_gives_the_same_answers():
    stores = chain(3)
    for server_state, question, answers in exchanges(stores):
        again = program.answer(SMALL, server_state, question, stores["S01"], {})
        assert json.dumps(again) == json.dumps(answers["S01"]), question.kind


def test_stores_that_add_up_answer_with_the_sum_of_their_answers():
    stores = chain(3)
    for server_state, question, answers in exchanges(stores):
        if not question.together:
            continue
        together = DEMAND_FORECAST.answer_together(
            SMALL, server_state, question, {name: (sales, {}) for name, sales in stores.items()}
        )
        one = PROGRAM.go_on(SMALL, server_state, question, {"S00": together.answer})
        several = PROGRAM.go_on(SMALL, server_state, question, answers)
        assert json.dumps(one.server_state) == json.dumps(several.server_state)
        assert together.answer["stores"] == 3


def test_the_days_that_are_kept_back_are_not_trained_on():
    """Whatever the last two weeks were: until judging, every answer is the same."""
    stores = chain(3)
    changed = {
        name: replace(sales, quantities=np.vstack([sales.quantities[:-14], np.full((14, 2), 99.0)]))
        for name, sales in stores.items()
    }
    pairs = zip(exchanges(stores), exchanges(changed), strict=True)
    for (_, question, answers), (_, _, others) in pairs:
        if question.judges:
            assert answers != others
            return
        # The usual level of a dish and the usual week are of the last weeks, and no part of the
        # training.
        assert without_levels(answers) == without_levels(others), question.kind


def without_levels(answers):
    return [{**answer, "levels": None, "week": None} for answer in answers.values()]
