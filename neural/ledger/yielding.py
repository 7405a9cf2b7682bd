"""Making room: long work that can wait (indexing) lets pass what its workers have to do besides.

It works in slices. A slice looks after each batch whether anything else is due and ends then; and
while more is due than just passes through, the next one is long in coming.
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
"""A run that has been due for less may be about to be taken."""
LEAST_URGENT = min(PRIORITIES)


def others_wait(*, least_priority: int | None = None) -> bool:
    """Whether other work, no less urgent than the run that is under way here (or than
    ``least_priority``), is due on a queue that this worker reads."""
    run, queues = current_run(), identity.queues()
    if run is None or not queues:
        return False
    priority = run.priority if least_priority is None else least_priority
    return _due_besides(run.task, queues, priority).exists()


def backlog_waits(*, task: str, queue: str, least_priority: int) -> bool:
    """Whether other work than this task, at least so urgent, has to wait at the workers that read
    this queue: more runs are due than one message claims in a batch, or one has been due for a
    while."""
    due = _due_besides(task, _read_beside(queue), least_priority)
    passing = conf().batch_claim_runs
    times = list(due.values_list("available_at", Now())[: passing + 1])
    late = dt.timedelta(seconds=PASSING_SECONDS)
    return len(times) > passing or any(now - due_at >= late for due_at, now in times)


def _due_besides(task: str, queues: Sequence[str], least_priority: int) -> TaskRunQuerySet:
    due = TaskRun.objects.due().filter(queue__in=queues, priority__gte=least_priority)
    return due.exclude(task=task)


def _read_beside(queue: str) -> list[str]:
    """The queues of all living workers that read this one."""
    alive = WorkerProcess.objects.alive(conf().worker_lost_seconds)
    read = [queues for queues in alive.values_list("queues", flat=True) if queue in queues]
    return sorted({queue, *(each for queues in read for each in queues)})
