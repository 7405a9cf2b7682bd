"""Runs due work in the current process, without a broker.

It serves commands where no workers run, and the tests of apps that use the ledger.
"""

import datetime as dt
from collections.abc import Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from asgiref.sync import async_to_sync
from celery import current_app

from neural.batches import leading
from neural.kit.tasks import load_tasks
from neural.ledger.claim import Claimant, claim
from neural.ledger.execute import run_alone
from neural.ledger.outcome import Outcome
from neural.ledger.settle import release
from neural.ledger.work import Clock, Work, WorkSource
from neural.models import TaskRun
from neural.queues.pausing import without_paused
from neural.runs.models.run import TaskRunQuerySet
from neural.worker.refusing import Forwarded
from neural.worker.relay import Duty


def run_due(*, now: dt.datetime | None = None, queue: str | None = None) -> Sequence[Outcome]:
    """Run everything that is due, in the caller's transaction, and return the outcomes.

    Runs of a paused queue wait. Runs that become due meanwhile (of an event that a handler submits)
    are run too. A retry is not due before its time; pass a later ``now`` to reach it. Errors of the
    work are recorded as a worker records them, not raised: look at ``outcome.exception``. A run
    whose work is not registered here waits for a worker that knows it (``unknown_work_seconds``),
    and is tried once.
    Records are indexed for search only within :func:`neural.temporary_search_index`.
    """
    load_tasks()
    outcomes: list[Outcome] = []
    unknown: list[int] = []
    while True:
        for duty in list(_duties):
            duty()
        due = TaskRun.objects.due(now)
        if queue is not None:
            due = due.filter(queue=queue)
        done = len(outcomes)
        while run := _take_next(due.exclude(pk__in=unknown), now):
            outcomes.append(_run(run))
            if isinstance(outcomes[-1].exception, Forwarded):
                unknown.append(run.pk)
        if len(outcomes) == done:
            return outcomes


@contextmanager
def also_doing(duty: Duty) -> Iterator[None]:
    """Within the block, have :func:`run_due` also do this duty, which a relay does in a worker."""
    _duties.append(duty)
    try:
        yield
    finally:
        _duties.remove(duty)


_duties: list[Duty] = [leading.ask_all]


def work_here(tasks: Collection[str]) -> Iterator[Outcome]:
    """Do every due run of these tasks, one after the other, and yield its outcome.

    Runs that become due meanwhile are done too; those of a paused queue are not. Workers may
    process the same tasks at the same time: no run is done twice.
    """
    load_tasks()
    due = TaskRun.objects.due().filter(task__in=tasks)
    while run := _take_next(due):
        try:
            outcome = _run(run)
        except KeyboardInterrupt:
            release([run], why="the command was stopped")
            raise
        yield outcome


def _take_next(due: TaskRunQuerySet, now: dt.datetime | None = None) -> TaskRun | None:
    """The most urgent of these runs that can be claimed, or None."""
    while found := without_paused(due, now).by_urgency().first():
        if runs := claim(task_id=found.task_id, claimant=Claimant(), now=now):
            return runs[0]
    return None


def _run(run: TaskRun) -> Outcome:
    source = cast(WorkSource, current_app.tasks[run.task])
    return run_alone(_InThisThread(source), run, Clock.of(run))


class _InThisThread(WorkSource):
    """The work of a source, whose ``async def`` queries the database in the caller's thread: in the
    transaction of a test, which other threads do not see."""

    def __init__(self, source: WorkSource) -> None:
        self.source = source

    def work_for(self, run: TaskRun) -> Work:
        work = self.source.work_for(run)
        if (coroutine := work.coroutine) is None:
            return work
        return replace(work, function=lambda: async_to_sync(_value_of)(coroutine()))


async def _value_of(body: Coroutine[Any, Any, Any]) -> Any:
    return await body
