"""What was settled before there were tallies: monitoring was added to a ledger with a history.

A tally commits with the outcomes that it counts. Outcomes from before the *cut*, a whole minute,
are counted from the rows of runs and attempts instead, once, and tallies of them are left out. Both
go by the same ``finished_at``, so nothing is counted twice or left out. The mark of tallies keeps
the cut as ``candidate_at``, and the greatest key of the history as ``candidate_id``.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max, QuerySet

from neural.kit.conf import conf
from neural.ledger import dialects
from neural.ledger.clock import database_clock
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun, WorkerProcess
from neural.monitoring.models import ReadMark
from neural.monitoring.rollups.histograms import bucket_of
from neural.monitoring.rollups.marks import Span
from neural.monitoring.rollups.tallying import encoded

_RUN = ("queue", "handler", "task", "store_id")
_OF_RUN = tuple(f"run__{name}" for name in _RUN)
_TIMES = ("started_at", "finished_at")


def cut() -> dt.datetime | None:
    """Where the history of the first turn of all ends, a minute ahead; None if every run is younger
    than the table of tallies, so that tallies tell of all of them."""
    oldest = TaskRun.objects.order_by("pk").values_list("created_at", flat=True).first()
    made = _made_at()
    return _ahead() if oldest and made and oldest < made else None


def is_over(mark: ReadMark) -> bool:
    """Whether every outcome from before the cut is recorded, so that it may be counted.

    A worker tries to record one for ``settle_seconds``; one that stands still is lost after
    ``worker_lost_seconds``, and fenced. Until the cut, a worker that is older than the table of
    tallies moves it on.
    """
    if mark.candidate_at is None or mark.candidate_id:
        return True
    now, lost_after = database_clock(), conf().worker_lost_seconds
    if now >= mark.candidate_at + dt.timedelta(seconds=lost_after + conf().settle_seconds):
        mark.candidate_id = TaskRun.objects.aggregate(last=Max("pk"))["last"] or 1
    elif now < mark.candidate_at and _old_workers(lost_after).exists():
        mark.candidate_at = _ahead()
    mark.save(update_fields=["candidate_at", "candidate_id"])
    return bool(mark.candidate_id)


def tally_of(span: Span, *, before: dt.datetime) -> str:
    """What became of these runs before the cut, as a tally. For how long attempts that failed had
    waited is not known any more, nor which runs that were retried since had been dead."""
    runs = TaskRun.objects.filter(pk__gt=span.after, pk__lte=span.up_to)
    return encoded([*_succeeded(runs, before), *_failed(span, before)])


def _succeeded(runs: QuerySet[TaskRun], before: dt.datetime) -> Iterator[list[Any]]:
    done = runs.filter(state=RunState.SUCCEEDED, finished_at__lt=before)
    for *run, due, started, finished in done.values_list(*_RUN, "available_at", *_TIMES).iterator():
        times = (_bucket(due, started), _bucket(started, finished))
        yield _group(run, finished, "succeeded", False, times)


def _failed(span: Span, before: dt.datetime) -> Iterator[list[Any]]:
    counted = (AttemptOutcome.FAILED, AttemptOutcome.LOST)
    attempts = TaskAttempt.objects.filter(run__gt=span.after, run__lte=span.up_to)
    rows = attempts.filter(outcome__in=counted, finished_at__lt=before).annotate(
        last=Max("run__attempts__pk")
    )
    chosen = rows.values_list("pk", "last", "outcome", "run__state", *_OF_RUN, *_TIMES)
    for key, last, outcome, state, *run, started, finished in chosen.iterator():
        was_lost = outcome == AttemptOutcome.LOST
        times = (None, None if was_lost else _bucket(started, finished))
        yield _group(run, finished, outcome, state == RunState.DEAD and key == last, times)


def _group(run: Any, finished: dt.datetime, kind: str, is_dead: bool, times: Any) -> list[Any]:
    queue, handler, task, store = run
    minute = int(finished.timestamp()) // 60
    return [minute, queue, handler or task, str(kind), is_dead, *times, [store or ""]]


def _bucket(since: dt.datetime | None, until: dt.datetime) -> int | None:
    return bucket_of((until - since).total_seconds()) if since else None


def _made_at() -> dt.datetime | None:
    """When the first migration of monitoring was applied."""
    own = MigrationRecorder(dialects.ledger_connection()).migration_qs
    applied = own.filter(app="neural_monitoring").order_by("applied")
    return applied.values_list("applied", flat=True).first()


def _ahead() -> dt.datetime:
    """The next minute but one begins here."""
    return database_clock().replace(second=0, microsecond=0) + dt.timedelta(minutes=2)


def _old_workers(lost_after: float) -> QuerySet[WorkerProcess]:
    living = WorkerProcess.objects.publishing().alive(lost_after)
    return living.filter(started_at__lt=_made_at())
