"""Long work makes room for what its worker has to do besides."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.models import RunState, WorkerProcess
from neural.runs import lifecycle
from neural.runs.making_room import others_wait
from neural.runs.work import current
from tests.unit import admin_world as world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_work(monkeypatch):
    """A run of a batch task of priority 5 in a worker of two queues."""
    monkeypatch.setattr(lifecycle, "_worker", WorkerProcess(queues=["high_priority", "default"]))
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


def test_outside_of_a_worker_there_is_nobody_to_make_room_for(monkeypatch):
    monkeypatch.setattr(lifecycle, "_worker", None)
    due("high_priority", priority=10)

    assert not others_wait()
