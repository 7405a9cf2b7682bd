"""For the tests of apps that use the ledger: run what is due, here and now, without a broker."""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from celery import current_app

from neural.ledger.claim import Claimant, claim
from neural.ledger.execute import run_alone
from neural.ledger.outcome import Outcome
from neural.ledger.work import Clock, WorkSource
from neural.models import TaskRun
from neural.worker.elsewhere import HandedOn
from neural.worker.relay import Duty


def run_due(*, now: dt.datetime | None = None, queue: str | None = None) -> Sequence[Outcome]:
    """Run everything that is due, in the caller's transaction, and return the outcomes.

    Runs that become due meanwhile (an event that a handler submits) are run too. A retry is
    not due before its time; give a later ``now`` to reach it. Errors of the work are recorded
    as a worker records them, not raised: look at ``outcome.exception``. What is not known here
    waits for a worker that knows it (``unknown_work_seconds``), and is looked at once. Records
    are indexed for search only within :func:`neural.temporary_search_index`.
    """
    current_app.loader.import_default_modules()
    outcomes: list[Outcome] = []
    unknown: list[int] = []
    while True:
        for duty in list(_duties):
            duty()
        found = list(_run_all(now, queue, unknown))
        outcomes += found
        if not (found and _duties):
            return outcomes


@contextmanager
def also_doing(duty: Duty) -> Iterator[None]:
    """Have :func:`run_due` do this, too, within the block: what a relay does in a worker."""
    _duties.append(duty)
    try:
        yield
    finally:
        _duties.remove(duty)


_duties: list[Duty] = []


def _run_all(now: dt.datetime | None, queue: str | None, unknown: list[int]) -> Iterator[Outcome]:
    while run := _take_next(now, queue, unknown):
        task = cast(WorkSource, current_app.tasks[run.task])
        outcome = run_alone(task, run, Clock.of(run))
        if isinstance(outcome.exception, HandedOn):
            unknown.append(run.pk)
        yield outcome


def _take_next(
    now: dt.datetime | None, queue: str | None, unknown: Sequence[int]
) -> TaskRun | None:
    due = TaskRun.objects.due(now).exclude(pk__in=unknown).by_urgency()
    if queue is not None:
        due = due.filter(queue=queue)
    found = due.first()
    if found is None:
        return None
    runs = claim(task_id=found.task_id, claimant=Claimant(), now=now)
    return runs[0] if runs else _take_next(now, queue, unknown)
