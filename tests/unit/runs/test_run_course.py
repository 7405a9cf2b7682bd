"""The course of a run: what happened to it, when, and what people did."""

import datetime as dt
from typing import Any

import pytest

from neural.audit import record
from neural.models import (
    AuditSource,
    BulkAction,
    BulkActionItem,
    BulkVerb,
    RunEdit,
    TaskRun,
)
from neural.runs.admin.run_page.timeline import WIDTH, Axis, timeline
from tests.unit.admin import admin_world as world
from tests.unit.runs.run_page_world import START, at, dead_run, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def _root() -> Any:
    return world.superuser().get("/admin/").wsgi_request.user


def told(run: TaskRun, now: dt.datetime = START) -> list[str]:
    steps = timeline(run, _root(), now)
    return [f"{step.title}: {', '.join(map(str, step.facts))}" for step in steps]


def test_the_course_tells_each_wait_and_each_duration_up_to_the_outcome() -> None:
    submitted, first, second, outcome = told(dead_run(requested_by="anna"))

    assert submitted == "Submitted: requested by anna, queue default, priority 5"
    assert first == "Attempt 1: waited 2.0 s, took 1.0 s"
    assert second == "Attempt 2: not due for 1 min 2 s, waited 5.0 s, took 2.0 s"
    assert outcome.endswith(">dead</span>: 1 min 12 s after it was submitted")


def test_a_run_that_failed_says_when_its_next_attempt_is_due() -> None:
    run = dead_run()
    TaskRun.objects.filter(pk=run.pk).update(state="pending", available_at=at(200))
    run.refresh_from_db()

    steps = timeline(run, _root(), at(100))

    assert (steps[-1].title, steps[-1].at) == ("Attempt 3 is due", at(200))
    assert steps[-1].is_next


def test_a_due_run_says_when_another_message_follows() -> None:
    run = world.run(available_at=at(0), publish_at=at(30))

    assert told(run, at(10))[-1] == (
        "Attempt 1 is due: waits for a worker of the queue default, "
        "a new message is sent in 20.0 s unless one takes it"
    )


def test_an_attempt_under_way_says_for_how_long_it_has_worked() -> None:
    run = world.run("running", available_at=at(0), started_at=at(3))
    TaskRun.objects.filter(pk=run.pk).update(created_at=START)
    run.refresh_from_db()

    assert told(run, at(10))[-1] == "Attempt 1: waited 3.0 s, has been working for 7.0 s"


def test_what_people_did_stands_in_the_course_with_who_and_why() -> None:
    run = dead_run()
    record(
        action="run.retry",
        by="anna",
        source=AuditSource.ADMIN,
        rows=[run],
        reason="supplier is back",
    )
    bulk = BulkAction.objects.create(
        verb=BulkVerb.RETRY,
        reason="all of them",
        requested_by="bert",
        user_id=1,
        token="x",
        up_to=9,
    )
    BulkActionItem.objects.create(action=bulk, run_id=run.pk, outcome="changed", before="dead")
    RunEdit.objects.create(
        run_id=run.pk, before={"args": [1]}, after={"args": [2]}, reason="typo", edited_by="cleo"
    )
    other = world.run("dead", task_id="other")
    record(action="run.cancel", by="dora", source=AuditSource.ADMIN, rows=[other])

    acts = {step.act.by: step.act for step in timeline(run, _root(), START) if step.act}
    shown = page(run)

    assert {name: str(act.title) for name, act in acts.items()} == {
        "anna": "Run: Retry",
        "bert": f"Retry #{bulk.pk}",
        "cleo": "Run: Edit and retry",
    }
    assert [acts[name].reason for name in ("anna", "bert", "cleo")] == [
        "supplier is back",
        "all of them",
        "typo",
    ]
    assert "args.0" in shown
    assert "dora" not in shown


def test_bars_lie_on_one_axis_and_the_shortest_can_be_seen() -> None:
    axis = Axis(at(0), at(1000))
    whole, half = axis.bar("a", at(0), at(1000)), axis.bar("b", at(500), at(750))
    blink = axis.bar("c", at(1000), at(1000))

    assert (float(whole.x), float(whole.width)) == (0, WIDTH)
    assert (float(half.x), float(half.width)) == (500, 250)
    assert float(blink.width) > 0
    assert float(blink.x) + float(blink.width) == WIDTH


def test_a_run_that_began_and_ended_at_once_has_an_axis() -> None:
    assert float(Axis(START, START).bar("a", START, START).width) > 0
