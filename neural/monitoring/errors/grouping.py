"""Groups failed attempts: a duty of the relays. Nothing of it is in the way of claims and settling.

Attempts are read by key after they have committed (:mod:`neural.monitoring.rollups.marks`), each
exactly once, a bounded number in one transaction: SQLite has one writer.
"""

import datetime as dt
import time

from django.db import transaction
from django.db.models import Exists, OuterRef

from neural.ledger.clock import database_clock
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from neural.monitoring.conf import conf
from neural.monitoring.errors.acting import note_alive
from neural.monitoring.errors.fingerprint import cause_of
from neural.monitoring.errors.folding import Failure, fold, groups_changed
from neural.monitoring.models import ErrorGroup, ErrorGroupState, FailedRun, ReadMark
from neural.monitoring.rollups.marks import reading_on

MARK = "failed attempts"
MOST_ATTEMPTS = 500
"""Keys of one turn. After a full one the next follows a second later: 30,000 a minute."""
MOST_SWEPT = 500
COUNTED = (AttemptOutcome.FAILED, AttemptOutcome.LOST)
_COLUMNS = (
    *("run_id", "outcome", "started_at", "finished_at", "error", "exception_facts"),
    *("run__handler", "run__task", "run__store_id", "run__state"),
)


class Grouping:
    """The duty of one process: it paces itself."""

    def __init__(self) -> None:
        self._due = 0.0
        self._swept = 0

    def __call__(self) -> None:
        """Group what has failed since the last time, if it is time."""
        if time.monotonic() < self._due:
            return
        now = database_clock()
        is_full = group_failures(now=now)
        self._due = time.monotonic() + (0 if is_full else conf().figures_seconds)
        end_mutes(now=now)
        self._swept = sweep(after=self._swept)


def group_failures(*, now: dt.datetime) -> bool:
    """Group the next failed attempts. Returns whether there may be more to read at once.

    False also if another relay reads them: one is enough.
    """
    mark = ReadMark.objects.filter(pk=MARK).first()
    if not TaskAttempt.objects.filter(pk__gt=mark.last_id if mark else 0).exists():
        return False
    with reading_on(MARK, TaskAttempt, most=MOST_ATTEMPTS) as span:
        if span is None:
            return False
        rows = TaskAttempt.objects.filter(pk__gt=span.after, pk__lte=span.up_to)
        failed = rows.filter(outcome__in=COUNTED).order_by("pk").select_related("run")
        fold([_failure(each) for each in failed.only(*_COLUMNS)], now=now)
    return span.up_to - span.after >= MOST_ATTEMPTS


def _failure(attempt: TaskAttempt) -> Failure:
    run = attempt.run
    return Failure(
        attempt_id=attempt.pk,
        run_id=run.pk,
        work=run.work_name,
        store_id=run.store_id,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        is_dead=run.state == RunState.DEAD,
        cause=cause_of(
            facts=attempt.exception_facts,
            error=attempt.error,
            work=run.work_name,
            is_lost=attempt.outcome == AttemptOutcome.LOST,
        ),
    )


def end_mutes(*, now: dt.datetime) -> None:
    """Open the groups that were muted until now."""
    over = ErrorGroup.objects.filter(state=ErrorGroupState.MUTED, muted_until__lte=now)
    if keys := list(over.values_list("pk", flat=True)):
        with transaction.atomic():
            groups_changed(keys)
            over.update(state=ErrorGroupState.OPEN, muted_until=None, decided_by="")


def sweep(*, after: int) -> int:
    """Look at the next runs that were dead, and note which are no longer. Returns the last of them,
    or 0 after the last of all."""
    dead = FailedRun.objects.filter(dead=True, pk__gt=after).order_by("pk")
    keys = list(dead.values_list("pk", flat=True)[:MOST_SWEPT])
    if not keys:
        return 0
    still = set(TaskRun.objects.dead().filter(pk__in=keys).values_list("pk", flat=True))
    if gone := [key for key in keys if key not in still]:
        is_dead = Exists(TaskRun.objects.dead().filter(pk=OuterRef("run_id")))
        note_alive(FailedRun.objects.filter(~is_dead, pk__in=gone))
    return keys[-1] if len(keys) == MOST_SWEPT else 0


group_when_due = Grouping()
"""The duty of this process's relay."""
