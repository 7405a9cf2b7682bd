"""The preview of a bulk action: which runs it means, and what they have in common."""

from typing import Any

import pytest

from neural.models import BulkAction, RunState
from neural.personal import redacting
from neural.runs import selecting
from neural.runs.bulk import previewing
from neural.runs.query import RunQuery
from tests.unit.admin import admin_world as world
from tests.unit.factories import make_run, make_store
from tests.unit.runs import bulk_world
from tests.unit.runs.admin_bulk_world import PREVIEW, begin, operator

pytestmark = pytest.mark.django_db

DEAD, PENDING = RunState.DEAD, RunState.PENDING


@pytest.fixture(autouse=True)
def _nothing_is_personal(monkeypatch: Any) -> None:
    monkeypatch.setattr(redacting, "redacted_text", lambda text: text)


def test_the_preview_shows_how_many_runs_of_which_work_error_and_store() -> None:
    for _ in range(3):
        make_run(DEAD, task="kitchen.cook", error="no stove\nat all", store=make_store("S1"))
    make_run(DEAD, task="kitchen.serve", error="no guest")
    make_run(PENDING, task="kitchen.wash")

    answer = operator().get(PREVIEW, {"verb": "retry", "period": "all"})

    text = answer.content.decode()
    assert "4 runs match." in text
    assert 'value="Retry 4 runs"' in text
    for part in ("kitchen.cook", "kitchen.serve", "no stove", "no guest", "S1"):
        assert part in text
    assert "kitchen.wash" not in text
    preview = answer.context["found"]["preview"]
    assert [(part.of, part.runs) for part in preview.works] == [
        ("kitchen.cook", 3),
        ("kitchen.serve", 1),
    ]
    assert not BulkAction.objects.exists()


def test_the_filter_is_shown_in_words() -> None:
    make_run(DEAD, store=make_store("S1"), queue="low_priority")
    params = {"verb": "retry", "store": "S1", "queue": "low_priority", "tries": "0"}
    answer = operator().get(PREVIEW, params)
    words = {str(label): str(value) for label, value in answer.context["words"]}
    assert words["state"] == "dead"
    assert (words["store"], words["queue"]) == ("S1", "low_priority")
    assert words["submitted"].startswith("from <time")


def test_counting_ends_at_a_number_and_the_rest_is_meant_too(monkeypatch: Any) -> None:
    monkeypatch.setattr(selecting, "MOST_COUNTED", 3)
    monkeypatch.setattr(selecting, "PAGE", 2)
    bulk_world.make_runs(5)
    client = operator()
    text = client.get(PREVIEW, {"verb": "discard", "period": "all"}).content.decode()
    assert "3+ runs match." in text
    assert 'value="Discard 3+ runs"' in text

    action = begin(client, verb="discard")
    assert action.expected is None
    bulk_world.finish(action)
    assert action.changed == 5


def test_counting_ends_when_its_time_is_up(monkeypatch: Any) -> None:
    monkeypatch.setattr(selecting, "PAGE", 2)
    bulk_world.make_runs(5)
    ticks = iter([0.0, 9.0, 9.0])
    selection = selecting.select(RunQuery(), bulk_world.operator())
    keys, is_more = selection.newest(seconds=2, clock=lambda: next(ticks))
    assert (len(keys), is_more) == (2, True)


def test_chosen_runs_are_previewed_and_those_that_do_not_fit_are_told() -> None:
    dead, done = make_run(DEAD), make_run(RunState.SUCCEEDED)
    make_run(DEAD)
    client = operator()

    text = client.get(
        PREVIEW, {"verb": "retry", "_selected_action": [dead.pk, done.pk]}
    ).content.decode()
    assert "2 runs match." in text
    assert "1 of those that were counted are in a state for it" in text
    assert 'value="Retry 1 run"' in text

    action = begin(client, _selected_action=[dead.pk, done.pk])
    assert action.run_ids == [dead.pk, done.pk]
    bulk_world.finish(action)
    assert (action.changed, action.unfit) == (1, 1)


def test_a_list_may_send_the_chosen_runs_by_post() -> None:
    run = make_run(DEAD)
    answer = operator().post(PREVIEW, {"verb": "retry", "_selected_action": [run.pk]})
    assert "1 run matches." in answer.content.decode()
    assert not BulkAction.objects.exists()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"verb": "explode"}, "There is no action “explode”."),
        ({}, "There is no action “”."),
        ({"verb": "retry", "colour": "red"}, "There is no filter “colour”."),
        ({"verb": "retry", "worker": "x"}, "“x” is not a whole number."),
        ({"verb": "retry", "text": "a", "error": "b"}, "“a” is read as error, and error=b is"),
        ({"verb": "retry", "state": "running"}, "Retry changes no run in the state “running”."),
        ({"verb": "retry", "_selected_action": "x"}, "“x” is not the number of a run."),
    ],
)
def test_what_cannot_be_understood_is_a_sentence(params: Any, said: str) -> None:
    answer = operator().get(PREVIEW, params)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert "disabled" in answer.content.decode() or 'name="token"' not in answer.content.decode()


def test_a_user_of_a_store_previews_its_runs_alone() -> None:
    own = world.store("S1")
    mine = make_run(DEAD, store=own, error="own trouble")
    other = make_run(DEAD, store=make_store("ZED9"), error="foreign trouble", task="kitchen.secret")
    client = operator(stores=[own])
    pages = [
        client.get(PREVIEW, {"verb": "retry", "period": "all"}),
        client.get(PREVIEW, {"verb": "retry", "_selected_action": [mine.pk, other.pk]}),
    ]
    for answer in pages:
        text = answer.content.decode()
        assert "1 run matches." in text
        assert "own trouble" in text
        for foreign in ("foreign", "ZED9", "kitchen.secret"):
            assert foreign not in text


def test_an_app_names_the_errors(monkeypatch: Any) -> None:
    run = make_run(DEAD, error="order 12 is unknown")
    monkeypatch.setitem(
        previewing.ERROR_NAMERS._things, "a test", lambda user, keys: {run.pk: "order <n> unknown"}
    )
    answer = operator().get(PREVIEW, {"verb": "retry", "period": "all"})
    assert [part.of for part in answer.context["found"]["errors"]] == ["order <n> unknown"]
