"""Rows of the ledger for tests, in any state."""

import datetime as dt
from typing import Any

from django.utils import timezone

from neural.events.recording import EVENT_TASK
from neural.models import NeuralEvent, RunState, Store, TaskRun, WorkerProcess
from neural.runs.models.new_run import new_task_id
from neural.runs.models.run import FINISHED_STATES


def ago(**span: float) -> dt.datetime:
    """A moment in the past: ago(days=3)."""
    return timezone.now() - dt.timedelta(**span)


def make_store(code: str = "S01") -> Store:
    return Store.objects.get_or_create(code=code)[0]


def make_event(event_id: str = "1", **fields: Any) -> NeuralEvent:
    """An event of the built-in type inventory.updated, unless fields say otherwise."""
    values = {
        "source": "pos",
        "type": "inventory.updated",
        "payload": {"item": "flour", "level": 3},
        "content_hash": "0" * 32,
        "occurred_at": timezone.now(),
    }
    store = make_store(fields.pop("store", "S01"))
    return NeuralEvent.objects.create(store=store, event_id=event_id, **(values | fields))


def make_run(state: RunState = RunState.PENDING, **fields: Any) -> TaskRun:
    """A run in a state, with the columns which that state needs."""
    values: dict[str, Any] = {
        "task": EVENT_TASK,
        "task_id": new_task_id(),
        "queue": "default",
        "state": state,
    }
    if state in FINISHED_STATES:
        values["finished_at"] = timezone.now()
    if state == RunState.RUNNING:
        values |= {"token": 1, "started_at": timezone.now()}
    return TaskRun.objects.create(**(values | fields))


def make_worker(name: str = "all@host", **fields: Any) -> WorkerProcess:
    """A living worker that reads all three queues, unless fields say otherwise."""
    queues = ["default", "high_priority", "low_priority"]
    values: dict[str, Any] = {"host": "host", "process_id": 1, "queues": queues}
    return WorkerProcess.objects.create(name=name, **(values | fields))


def held(worker: WorkerProcess | None, process_id: int = 7, **fields: Any) -> TaskRun:
    """A run that a worker's process has had for half a minute."""
    values = {"worker": worker, "process_id": process_id, "started_at": ago(seconds=30)}
    return make_run(RunState.RUNNING, **(values | fields))
