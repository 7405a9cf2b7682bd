"""Checks that each index of the tables that grow has a query, run by the code itself, whose plan
uses it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model
from django.test import RequestFactory

import neural
from benchmarks.growth.growing import EVENT_TASK
from benchmarks.growth.ledger import execute, index_names, rows
from benchmarks.growth.measuring import SilentPublisher, leave_backlog
from neural.batches.ending import ask_all
from neural.celeryapp.celery_view import meta_of
from neural.events.registry import atomic_handler_names
from neural.health.runs import failing_attempts
from neural.health.situation import Situation
from neural.kit.keyset.walks import Place
from neural.ledger.claim import Claimant, claim
from neural.ledger.record import enqueue
from neural.models import NeuralEvent, RunState, TaskRun, WorkerProcess
from neural.queues import DEFAULT_QUEUE
from neural.runs.models.attempt import attempts_of
from neural.runs.query import EVER, RunQuery
from neural.runs.selecting import select
from neural.worker.relay import publish_unpublished, release_all

PAGE = 50


class Sample:
    """Rows to query for. They are read beforehand, because reading them is not what is measured."""

    def __init__(self) -> None:
        self.event = NeuralEvent.objects.order_by("pk")[0]
        self.dead = TaskRun.objects.dead()[0]
        self.waiting = TaskRun.objects.filter(state=RunState.PENDING, queue=DEFAULT_QUEUE)[0]
        self.child = TaskRun.objects.exclude(parent_task_id="").order_by("pk")[0]
        self.worker = WorkerProcess.objects.order_by("pk")[0]


@dataclass(frozen=True)
class Need:
    """An index, a description of the query that needs it, and a call that runs this query."""

    index: str
    query: str
    ask: Callable[[Sample], object]


def _listed(model: type[Model], **filters: str) -> Callable[[Sample], object]:
    """The admin's list, as a user sees it who sees every store."""

    def ask(sample: Sample) -> object:
        request = RequestFactory().get("/", filters)
        request.user = User(username="growth", is_active=True, is_superuser=True)
        model_admin: Any = admin.site.get_model_admin(model)
        return list(model_admin.get_changelist_instance(request).result_list)

    return ask


def _found(**filters: str) -> Callable[[Sample], object]:
    """A page of the list of runs, as the same user sees it."""

    def ask(sample: Sample) -> object:
        user = User(username="growth", is_active=True, is_superuser=True)
        selection = select(RunQuery.from_params({"period": EVER, **filters}), user)
        return selection.page(place=Place(), size=PAGE)

    return ask


def _claim(sample: Sample) -> object:
    common: dict[str, Any] = {"queue": DEFAULT_QUEUE, "batchable": atomic_handler_names()}
    task_id = sample.waiting.task_id
    return claim(task_id=task_id, claimant=Claimant(), limit=50, **common)


def _submit_again(sample: Sample) -> object:
    event = sample.event
    identity: dict[str, Any] = {"store": event.store_id, "source": event.source}
    payload = event.payload or {}
    return neural.submit(type=event.type, event_id=event.event_id, payload=payload, **identity)


def _enqueue_twice(sample: Sample) -> object:
    work: dict[str, Any] = {"task": EVENT_TASK, "args": [], "kwargs": {}, "queue": DEFAULT_QUEUE}
    return [enqueue(**work, priority=5, unique_key="growth") for _ in range(2)]


def _children(sample: Sample) -> object:
    parent = TaskRun(task_id=sample.child.parent_task_id, state=RunState.SUCCEEDED)
    return meta_of(parent)


EVENTS = (
    Need("neural_neuralevent_pkey", "claim: the events of its runs", _claim),
    Need("neural_event_identity", "submit: is it recorded already?", _submit_again),
    Need("neural_event_by_store", "admin: one store's", _listed(NeuralEvent, store="S007")),
    Need("neural_event_by_type", "admin: one type's", _listed(NeuralEvent, type="dish.updated")),
    Need("neural_event_unhandled", "admin: had no handler", _listed(NeuralEvent, unhandled="1")),
)
RUNS = (
    Need("neural_taskrun_pkey", "admin: the newest runs", _found()),
    Need("neural_run_task_id", "claim: the run of a message", _claim),
    Need(
        "neural_run_once_a_handler",
        "an event's runs: in the admin, for a replay",
        lambda sample: list(sample.event.runs.all()),
    ),
    Need("neural_run_unique_waits_once", "enqueue: does one wait already?", _enqueue_twice),
    Need("neural_run_due", "claim: the rest of a batch", _claim),
    Need(
        "neural_run_unpublished",
        "relay: what is unpublished",
        lambda sample: publish_unpublished(SilentPublisher()),
    ),
    Need(
        "neural_run_held",
        "relay: what a worker holds",
        lambda sample: release_all(sample.worker),
    ),
    Need("neural_run_set_aside", "admin: dead letters", _found(state="dead")),
    Need("neural_run_with_error", "admin: an error's text", _found(error="out of reach")),
    Need("neural_run_by_store", "admin: one store's", _found(store="S007")),
    Need(
        "neural_run_by_handler",
        "admin: one handler's",
        _found(work="neural.schedule_shift"),
    ),
    Need(
        "neural_run_by_task",
        "admin: one task's",
        _found(work="neural.tasks.analyse_demand"),
    ),
    Need("neural_run_by_parent", "AsyncResult.children", _children),
    Need("neural_run_by_batch", "relay: which batches are over", lambda sample: ask_all()),
)
ATTEMPTS = (
    Need("neural_tasktry_pkey", "doctor: the newest", lambda sample: failing_attempts(Situation())),
    Need(
        "neural_tasktry_run_id_959a7ddb",
        "a run's attempts",
        lambda sample: attempts_of(sample.dead),
    ),
)
NEEDS = (*EVENTS, *RUNS, *ATTEMPTS)


Asked = list[tuple[str, Any]]


def check_indexes() -> dict[str, Any]:
    """Run each query on a backlog of 2,500 runs and look at its plan; everything is rolled back.

    Indexes that no query needs are dropped first. Of two equal indexes the planner uses only one,
    and the other would seem useless.
    """
    needed = {need.index for need in NEEDS}
    with transaction.atomic():
        leave_backlog()
        idle = sorted(index_names().keys() - needed)
        for name in idle:
            execute(f"DROP INDEX {name}")
        sample = Sample()
        found = {need.index: _checked(need, sample) for need in NEEDS}
        transaction.set_rollback(True)
    flagged = dict.fromkeys(idle, "no query needs it")
    flagged |= {name: "its query does not use it" for name in found if not found[name]["used"]}
    return {"queries": found, "flagged": flagged}


def _checked(need: Need, sample: Sample) -> dict[str, Any]:
    with transaction.atomic():
        with _captured() as asked:
            need.ask(sample)
        plans = [plan for statement in asked if (plan := _plan(*statement))]
        transaction.set_rollback(True)
    used = [plan for plan in plans if f'"{need.index}"' in plan]
    answer: dict[str, Any] = {"query": need.query, "used": bool(used)}
    return answer if used else {**answer, "plans": [json.loads(plan) for plan in plans]}


@contextmanager
def _captured() -> Iterator[Asked]:
    asked: Asked = []

    def note(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return run(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield asked


def _plan(statement: str, parameters: Any) -> str:
    """The plan as JSON text; empty for a statement that has none (a savepoint)."""
    if statement.split()[0].upper() not in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
        return ""
    ((plan,),) = rows(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    return json.dumps(plan)
