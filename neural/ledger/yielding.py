"""Yielding: long work that can wait (indexing) makes room for other due runs of its workers.

Such work is done in slices. After each batch, a slice checks whether other work is due, and then
ends. While a backlog of other work waits, the next slice starts later.
"""

import datetime as dt
from collections.abc import Sequence

from django.db.models.functions import Now

from neural.conf import conf
from neural.ledger import identity
from neural.ledger.work import current_run
from neural.models import TaskRun, WorkerProcess
from neural.models.run import TaskRunQuerySet
from neural.queues import PRIORITIES

PASSING_SECONDS = 1.0
"""A run that has been due for less than this is probably about to be claimed."""
LEAST_URGENT = min(PRIORITIES)


def others_wait(*, least_priority: int | None = None) -> bool:
    """Whether other work is due on a queue that this worker reads.

    Only runs of other tasks count, with at least ``least_priority`` (by default the priority of the
    run that is being executed here). False outside of a worker's run.
    """
    run, queues = current_run(), identity.queues()
    if run is None or not queues:
        return False
    priority = run.priority if least_priority is None else least_priority
    return _due_besides(run.task, queues, priority).exists()


def backlog_waits(*, task: str, queue: str, least_priority: int) -> bool:
    """Whether other tasks have a backlog at the workers that read this queue.

    There is a backlog if more runs of at least ``least_priority`` are due than one message claims
    in a batch, or if one has been due for :data:`PASSING_SECONDS` or longer.
    """
    due = _due_besides(task, _read_beside(queue), least_priority)
    passing = conf().batch_claim_runs
    times = list(due.values_list("available_at", Now())[: passing + 1])
    late = dt.timedelta(seconds=PASSING_SECONDS)
    return len(times) > passing or any(now - due_at >= late for due_at, now in times)


def _due_besides(task: str, queues: Sequence[str], least_priority: int) -> TaskRunQuerySet:
    due = TaskRun.objects.due().filter(queue__in=queues, priority__gte=least_priority)
    return due.exclude(task=task)


def _read_beside(queue: str) -> list[str]:
    """All queues that are read by living workers that read this queue."""
    alive = WorkerProcess.objects.alive(conf().worker_lost_seconds)
    read = [queues for queues in alive.values_list("queues", flat=True) if queue in queues]
    return sorted({queue, *(each for queues in read for each in queues)})
