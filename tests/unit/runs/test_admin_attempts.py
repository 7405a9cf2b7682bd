"""A run's attempts in order: those with rows, and the one that is the run itself."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.models import TaskAttempt, TaskRun
from neural.runs.models.attempt import attempts_of
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def recorded(run: TaskRun, outcome: str, minute: int) -> TaskAttempt:
    at = START + dt.timedelta(minutes=minute)
    return TaskAttempt.objects.create(
        run=run, outcome=outcome, started_at=at, finished_at=at + dt.timedelta(seconds=2)
    )


def test_a_clean_first_attempt_is_the_runs_own_times_and_process() -> None:
    end = START + dt.timedelta(seconds=5)
    run = world.run("succeeded", started_at=START, finished_at=end, process_id=9)

    (only,) = attempts_of(run)

    assert (only.number, only.outcome, only.process_id) == (1, "succeeded", 9)
    assert only.duration == dt.timedelta(seconds=5)


def test_the_attempts_that_did_not_succeed_come_before_the_one_that_did() -> None:
    run = world.run("succeeded")
    recorded(run, "failed", 1)
    recorded(run, "lost", 2)

    assert [(each.number, each.outcome) for each in attempts_of(run)] == [
        (1, "failed"),
        (2, "lost"),
        (3, "succeeded"),
    ]


@pytest.mark.parametrize("state", ["dead", "pending", "cancelled", "discarded"])
def test_a_run_that_did_not_succeed_has_only_the_attempts_with_rows(state: str) -> None:
    run = world.run(state, started_at=timezone.now())
    recorded(run, "failed", 1)

    assert [each.outcome for each in attempts_of(run)] == ["failed"]


def test_an_attempt_under_way_has_neither_outcome_nor_end() -> None:
    (only,) = attempts_of(world.run("running"))

    assert (only.outcome, only.finished_at, only.duration) == (None, None, None)


def test_a_run_that_has_not_started_has_no_attempts() -> None:
    assert attempts_of(world.run()) == []


def test_the_page_of_an_event_reads_no_traceback_however_often_its_runs_were_tried() -> None:
    event = world.event()
    run = world.run("dead", event=event)
    client = world.superuser()
    recorded(run, "failed", 1)
    world.statements(client, world.page_of(event))  # whatever is read on first use
    few = world.statements(client, world.page_of(event))
    for minute in range(2, 6):
        recorded(run, "failed", minute)

    many = world.statements(client, world.page_of(event))

    assert len(many) == len(few)
    assert not any('"traceback"' in each for each in many)
