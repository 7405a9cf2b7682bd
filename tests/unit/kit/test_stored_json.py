"""How deep JSON is nested is bounded at every entry point, whatever came in and however deep."""

import json
import random

import pytest

import neural
from neural.events.answers import EventRefused
from neural.kit.stored_json import NotStorable, depth_of, is_deeper, to_json
from neural.models import NeuralEvent, TaskRun
from neural.tasks import process_neural_event
from tests.probe.tasks import give_back
from tests.unit.factories import make_run


def nested(levels):
    """Lists within one another, so many."""
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def event(extra, **fields):
    given = {"type": "probe.counted", "store": "S1", "source": "till", "event_id": "1"}
    return {**given, "payload": {"key": "1", "extra": extra}, **fields}


@pytest.mark.parametrize("ascii_only", [True, False])
def test_the_depth_found_is_the_depth_there_is(ascii_only):
    dice = random.Random(7)
    for _ in range(500):
        value = _anything(dice, 0)
        assert depth_of(json.dumps(value, ensure_ascii=ascii_only)) == _levels(value)


def _anything(dice, level):
    text = "".join(dice.choice('a\\"[]{}\n\x01é面') for _ in range(dice.randrange(6)))
    kind = dice.random()
    if kind < 0.35 or level > 8:
        return text
    parts = [_anything(dice, level + 1) for _ in range(dice.randrange(4))]
    return parts if kind < 0.7 else dict(zip("abcd", parts, strict=False)) | {text: 1}


def _levels(value):
    if not isinstance(value, list | dict):
        return 0
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_levels, parts), default=0)


def test_many_brackets_side_by_side_are_not_deep():
    assert not is_deeper(json.dumps([[]] * 5000), 2)
    assert is_deeper("[" * 100_000 + "]" * 100_000, 100)


@pytest.mark.django_db
def test_a_payload_of_as_many_levels_as_the_setting_says_is_accepted(fake_broker, settings):
    assert neural.submit(**event(nested(99))).is_new
    settings.NEURAL = {"max_json_depth": 20}

    assert neural.submit(**event(nested(19), event_id="2")).is_new
    assert neural.submit(**event(nested(20), event_id="3")).is_refused


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("levels", "how"),
    [
        (100, "101 levels deep"),
        (800, "801 levels deep"),
        (5000, "so deep that it cannot be read"),
    ],
)
def test_a_deeper_payload_is_refused_and_the_field_and_the_depth_are_named(
    fake_broker, levels, how
):
    (problem,) = neural.submit(**event(nested(levels))).problems

    assert problem.field == "payload"
    assert problem.reason == f"is nested {how}; at most 100 levels are kept"
    with pytest.raises(EventRefused, match=how):
        process_neural_event.delay("1", "probe.counted", "till", "S1", {"key": nested(levels)})
    assert not NeuralEvent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("levels", [110, 800, 5000])
@pytest.mark.parametrize(
    "call",
    [
        lambda deep: give_back.apply_async((deep, 1)),
        lambda deep: give_back.apply_async(kwargs={"x": deep, "y": 1}),
        lambda deep: give_back.apply_async((1, 1), headers={"deep": deep}),
        lambda deep: give_back.apply_async((1, 1), stamped_headers=["deep"], deep=deep),
        lambda deep: give_back.apply_async((1, 1), link=give_back.s(deep)),
        lambda deep: process_neural_event.apply_async(
            kwargs=dict(
                zip(NAMES, ("1", "probe.counted", "till", "S1", {"key": "1"}), strict=True)
            ),
            headers={"deep": deep},
        ),
    ],
)
def test_arguments_headers_and_callbacks_of_a_call_are_bounded_as_well(fake_broker, call, levels):
    with pytest.raises(NotStorable, match="at most 100 levels are kept"):
        call(nested(levels))

    assert not TaskRun.objects.exists()


NAMES = ("event_id", "event_type", "event_source", "store_id", "data")


@pytest.mark.parametrize("levels", [110, 5000])
def test_so_is_what_a_task_returns(levels):
    with pytest.raises(NotStorable, match="the result of x is nested"):
        to_json(nested(levels), what="the result of x")


@pytest.mark.django_db
def test_a_run_whose_result_is_too_deep_is_dead_and_says_why(fake_broker):
    """What went in at the bound comes out in a list more."""
    run = make_run(task=give_back.name, args=[nested(99)])

    neural.run_due()

    run.refresh_from_db()
    assert run.state == "dead"
    assert "is nested 101 levels deep" in run.error
