"""GET /runs/{task_id} and POST /runs/retry."""

import datetime as dt
import logging

import pytest
from django.utils import timezone

from neural.models import TaskRun
from neural.worker.refusing import RefusedCall, keep_refused
from tests.unit.api.api_reading_world import Caller, event, fields, problem, run

pytestmark = pytest.mark.django_db


def states():
    return dict(TaskRun.objects.values_list("task_id", "state"))


# One run


def test_a_run_is_shown_by_its_task_id():
    row = event()
    run("succeeded", task_id="0195-ab", event=row, handler="h", result=[1, "二"], queue="high")

    body = Caller("S1").read("runs/0195-ab")

    assert (body["task_id"], body["task"], body["handler"]) == ("0195-ab", "app.count", "h")
    assert (body["event"], body["store"], body["queue"]) == (row.pk, "S1", "high")
    assert (body["state"], body["result"]) == ("succeeded", [1, "二"])
    assert [each["outcome"] for each in body["attempts"]] == ["succeeded"]
    assert "args" not in body
    assert "kwargs" not in body


def test_a_run_under_way_has_an_attempt_without_an_outcome():
    run("running", task_id="t1")

    body = Caller("S1").read("runs/t1")

    assert [(each["outcome"], each["finished_at"]) for each in body["attempts"]] == [(None, None)]


@pytest.mark.parametrize("task_id", ["a/b", "任务", "a b", "%2F", "retry/x"])
def test_a_task_id_may_be_any_text(task_id):
    from urllib.parse import quote

    run(task_id=task_id)

    assert Caller("S1").read(f"runs/{quote(task_id, safe='')}")["task_id"] == task_id


def test_a_run_of_another_store_or_of_none_looks_exactly_like_none():
    run(task_id="theirs", at="S2")
    run(task_id="no-store", at=None)
    caller = Caller("S1")

    none = problem(caller.get("runs/none"), 404)

    assert problem(caller.get("runs/theirs"), 404) == none
    assert problem(caller.get("runs/no-store"), 404) == none
    assert Caller().read("runs/no-store")["store"] is None


@pytest.mark.parametrize("task_id", ["%00", "x" * 256, "a%00b"])
def test_a_task_id_that_no_run_can_have_is_a_problem(task_id):
    assert fields(Caller().get(f"runs/{task_id}")) == ["path.task_id"]


# Many runs


def test_dead_runs_of_the_keys_stores_are_retried_and_named():
    for task_id, state, at in (
        ("a", "dead", "S1"),
        ("b", "dead", "S2"),
        ("c", "cancelled", "S1"),
        ("d", "dead", "S3"),
        ("e", "succeeded", "S1"),
        ("f", "dead", None),
    ):
        run(state, task_id=task_id, at=at, failures=2)

    response = Caller("S1", "S2").post("runs/retry", {"all": True})

    assert response.status_code == 200
    assert response.json() == {
        "dry_run": False,
        "retried": 2,
        "more": False,
        "task_ids": ["a", "b"],
        "refused": 0,
    }
    assert {task_id for task_id, state in states().items() if state == "pending"} == {"a", "b"}
    assert TaskRun.objects.get(task_id="a").failures == 0


def test_a_key_of_every_store_retries_runs_of_no_store_too():
    run("dead", at=None)

    assert Caller().post("runs/retry", {"all": True}).json()["retried"] == 1


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({"all": True, "states": ["cancelled"]}, ["cancelled"]),
        ({"all": True, "states": ["dead", "discarded", "dead"]}, ["a", "b", "discarded"]),
        ({"store": "S2"}, ["b"]),
        ({"store": "S3"}, []),
        ({"task": "app.other"}, ["b"]),
        ({"handler": "h"}, ["a"]),
        ({"queue": "low"}, ["b"]),
        ({"error": "REFUSED"}, ["a"]),
        ({"error": "100%"}, []),
        ({"since": "2026-02-01T00:00:00Z"}, ["a"]),
        ({"until": "2026-02-01T00:00:00Z"}, ["b"]),
    ],
)
def test_a_filter_chooses_runs(chosen, wanted):
    march, january = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (3, 1))
    row = event()
    run("dead", task_id="a", event=row, handler="h", error="was refused", finished_at=march)
    run("dead", task_id="b", at="S2", task="app.other", queue="low", finished_at=january)
    run("dead", task_id="c", at="S3")
    run("cancelled", task_id="cancelled")
    run("discarded", task_id="discarded")

    assert Caller("S1", "S2").post("runs/retry", chosen).json()["task_ids"] == wanted


def test_at_most_the_limit_is_retried_the_oldest_first_and_the_answer_says_that_more_match():
    for number in range(5):
        run("dead", task_id=f"t{number}")
    caller = Caller("S1")

    answers = [caller.post("runs/retry", {"all": True, "limit": 2}).json() for _ in range(3)]

    assert [each["task_ids"] for each in answers] == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    assert [each["more"] for each in answers] == [True, True, False]


def test_a_dry_run_says_what_would_be_retried_and_changes_nothing():
    run("dead")

    body = Caller("S1").post("runs/retry", {"dry_run": True}).json()

    assert body == {"dry_run": True, "retried": 1, "more": False, "task_ids": ["t1"], "refused": 0}
    assert states() == {"t1": "dead"}


def test_runs_of_pruned_events_are_left_out():
    run("dead", event=event(payload=None, pruned_at=timezone.now()), handler="h")

    assert Caller("S1").post("runs/retry", {"all": True}).json()["retried"] == 0


def test_every_run_is_retried_by_who_says_so_and_the_refusal_tells_how():
    run("dead")

    (error,) = problem(Caller("S1").post("runs/retry", {}), 422)["errors"]

    assert error["reason"].endswith(
        'names no filter: for every run of the key\'s stores, write "all": true'
    )
    assert Caller("S1").post("runs/retry", {"all": True}).json()["retried"] == 1


@pytest.mark.parametrize("chosen", [{"all": True}, {"error": "refused"}, {"task": "app.task"}])
@pytest.mark.parametrize("kwargs", [{"a": 1}, {"a": "\ud800"}])
def test_dead_letters_of_refused_messages_are_left_out(chosen, kwargs):
    """Those whose arguments were kept, and those of which only a part was."""
    keep_refused(
        RefusedCall(
            task="app.task", task_id="r", sent_id="r", queue="default", priority=5,
            reason="refused: no such argument", kwargs=kwargs,
        ),
        lambda refused, row: None,
    )  # fmt: skip

    assert states() == {"r": "dead"}
    assert Caller().post("runs/retry", chosen).json()["task_ids"] == []
    assert states() == {"r": "dead"}


@pytest.mark.django_db(transaction=True)
def test_a_retry_is_logged_with_the_key_that_asked(caplog):
    run("dead")
    caller = Caller("S1")

    with caplog.at_level(logging.INFO):
        caller.post("runs/retry", {"all": True})

    by = f'by="API key {caller.key.prefix}"'
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("event=run_retried run=t1") and by in line for line in lines)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"states": ["succeeded"]}, "body.states.0"),
        ({"states": []}, "body.states"),
        ({"limit": 1001}, "body.limit"),
        ({"limit": 10**30}, "body.limit"),
        ({"store": "\x00"}, "body.store"),
        ({"store": ""}, "body.store"),
        ({"task": ""}, "body.task"),
        ({"handler": ""}, "body.handler"),
        ({"queue": ""}, "body.queue"),
        ({"error": ""}, "body.error"),
        ({"error": "\ud800"}, "body.error"),
        ({"since": "soon"}, "body.since"),
        ({"since": 1e308}, "body.since"),
        ({"dry_run": "perhaps"}, "body.dry_run"),
        ({"dry_run": 0}, "body.dry_run"),
        ({"dry_run": "false"}, "body.dry_run"),
        ({"all": 1}, "body.all"),
        ({"limit": True}, "body.limit"),
        ({"limit": "5"}, "body.limit"),
        ({"all": True, "store": "S1"}, "body"),
        ({}, "body"),
        ({"limit": 5}, "body"),
        ({"states": ["dead"]}, "body"),
        ({"store": None}, "body"),
        ({"ids": ["t1"]}, "body.ids"),
        ([], "body"),
    ],
)
def test_a_filter_that_is_wrong_or_unknown_is_a_problem_and_retries_nothing(body, field):
    run("dead")

    found = fields(Caller("S1").post("runs/retry", body))

    assert found[0].startswith(field)
    assert states() == {"t1": "dead"}


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[" * 100_000, b'{"limit": ' + b"9" * 5000 + b"}"]
)
def test_a_body_that_is_no_json_is_a_problem(body):
    problem(Caller("S1").post("runs/retry", body), 400)


def test_a_body_that_is_missing_is_a_problem():
    assert fields(Caller("S1").post("runs/retry")) == ["body"]


def test_a_body_that_is_too_large_is_a_problem(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    problem(Caller("S1").post("runs/retry", {"error": "x" * 200}), 413)


def test_each_endpoint_needs_its_scope():
    run("dead")

    problem(Caller("S1", scopes=["runs:retry"]).get("runs/t1"), 403)
    problem(Caller("S1", scopes=["events:read"]).post("runs/retry", {}), 403)

    assert states() == {"t1": "dead"}
