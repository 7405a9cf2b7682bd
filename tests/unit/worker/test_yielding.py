"""Long work makes room for what its worker has to do besides."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.ledger import claim
from neural.ledger.work import current
from neural.models import RunState, WorkerProcess
from neural.queues import pausing
from neural.queues.pausing import backlog_waits, others_wait
from tests.unit.admin import admin_world as world
from tests.unit.factories import ago, make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_work(monkeypatch):
    """A run of a batch task of priority 5 in a worker of two queues."""
    monkeypatch.setattr(claim, "_worker", WorkerProcess(queues=["high_priority", "default"]))
    run = world.run(RunState.RUNNING, task_id="mine", task="batch", queue="default", priority=5)
    token = current.set(run)
    yield run
    current.reset(token)


def due(queue: str, *, priority: int, **fields):
    return world.run(task_id="other", queue=queue, priority=priority, **fields)


def test_with_nothing_else_to_do_it_goes_on():
    assert not others_wait()


@pytest.mark.parametrize(("queue", "priority"), [("high_priority", 10), ("default", 5)])
def test_what_is_no_less_urgent_on_its_workers_queues_is_made_room_for(queue, priority):
    due(queue, priority=priority)

    assert others_wait()


def test_what_is_less_urgent_waits():
    due("default", priority=4)

    assert not others_wait()


def test_other_workers_queues_are_not_its_concern():
    due("low_priority", priority=10)

    assert not others_wait()


def test_what_is_not_due_yet_does_not_count():
    due("default", priority=10, available_at=timezone.now() + dt.timedelta(hours=1))

    assert not others_wait()


def test_more_of_the_same_does_not_count():
    due("default", priority=5, task="batch")

    assert not others_wait()


def test_what_is_less_urgent_counts_where_that_is_asked():
    due("default", priority=1)

    assert others_wait(least_priority=1)


def test_outside_of_a_worker_there_is_nobody_to_make_room_for(monkeypatch):
    monkeypatch.setattr(claim, "_worker", None)
    due("high_priority", priority=10)

    assert not others_wait()


# What waits at all the workers that read a queue


def backlog(**changes):
    return backlog_waits(**{"task": "batch", "queue": "default", "least_priority": 5, **changes})


@pytest.fixture
def unhurried(monkeypatch):
    """What has just become due is still so when a busy machine looks."""
    monkeypatch.setattr(pausing, "PASSING_SECONDS", 20)


def test_a_run_that_has_just_become_due_passes_through(unhurried):
    due("default", priority=5, available_at=ago(seconds=0))

    assert not backlog()


def test_one_that_has_been_due_for_a_while_waits():
    due("default", priority=5, available_at=ago(seconds=30))

    assert backlog()


def test_more_than_one_message_batches_waits(settings, unhurried):
    settings.NEURAL = {**settings.NEURAL, "batch_claim_runs": 2}
    for number in range(3):
        assert not backlog()
        world.run(task_id=f"r{number}", queue="default", priority=5, available_at=ago(seconds=0))

    assert backlog()


@pytest.mark.parametrize(
    "fields",
    [{"priority": 4}, {"task": "batch"}, {"queue": "low_priority"}],
    ids=["less urgent", "more of the same", "on another queue"],
)
def test_what_does_not_stand_in_the_way_is_no_backlog(fields):
    due(**{"queue": "default", "priority": 5, "available_at": ago(seconds=30), **fields})

    assert not backlog()


@pytest.mark.parametrize(
    ("queues", "fields", "waits"),
    [
        (["high_priority", "default"], {}, True),
        (["high_priority"], {}, False),
        (["high_priority", "default"], {"heartbeat_at": ago(seconds=600)}, False),
    ],
    ids=["read by the same worker", "by others", "by one that is silent"],
)
def test_what_waits_on_other_queues_counts_where_one_worker_reads_both(queues, fields, waits):
    make_worker(queues=queues, **fields)
    due("high_priority", priority=10, available_at=ago(seconds=30))

    assert backlog() is waits
