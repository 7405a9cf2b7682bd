"""What the page of workers says of each process: what it does now, and what became of those that
are gone. Everything comes from the database."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from neural.admin.records.workers import may_be_asked_to_stop
from neural.conf import conf
from neural.models import ProcessKind, TaskRun, WorkerProcess
from neural.monitoring.console.viewers import visible_runs

MOST_PRESENT = 200
MOST_GONE = 20
MOST_RUNS = 1000
"""The most runs under way that are read."""
SHOWN_RUNS = 5
GONE_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class WorkerFacts:
    """A process, and the runs on which it works now as far as the user may see them."""

    process: WorkerProcess
    heard_of: dt.timedelta
    """How long ago its last heartbeat was."""
    runs: Sequence[TaskRun] = ()
    more_runs: int = 0

    @property
    def is_silent(self) -> bool:
        """Whether a relay will soon declare it lost."""
        return self.heard_of.total_seconds() > conf().worker_lost_seconds

    @property
    def may_be_stopped(self) -> bool:
        """Whether asking it to stop would change anything."""
        return may_be_asked_to_stop(self.process)


def present(user: Any, now: dt.datetime) -> list[WorkerFacts]:
    """The processes that live: workers, then relays and beat."""
    order = ProcessKind.values
    found = WorkerProcess.objects.present().order_by("name", "pk")[:MOST_PRESENT]
    return _with_runs(sorted(found, key=lambda each: order.index(each.kind)), user, now)


def gone(user: Any, now: dt.datetime) -> list[WorkerFacts]:
    """The processes that stopped or were lost in the last days, the newest first."""
    since = now - dt.timedelta(days=GONE_DAYS)
    ended = Q(stopped_at__gte=since) | Q(lost_at__gte=since)
    found = WorkerProcess.objects.filter(ended).order_by("-pk")[:MOST_GONE]
    return _with_runs(list(found), user, now)


def _with_runs(
    processes: Sequence[WorkerProcess], user: Any, now: dt.datetime
) -> list[WorkerFacts]:
    by_worker: dict[int | None, list[TaskRun]] = defaultdict(list)
    for run in _runs_of(processes, user)[:MOST_RUNS]:
        by_worker[run.worker_id].append(run)
    return [_facts(each, by_worker[each.pk], now) for each in processes]


def _runs_of(processes: Sequence[WorkerProcess], user: Any) -> "QuerySet[TaskRun]":
    columns = ("pk", "task", "handler", "task_id", "worker_id", "store_id", "started_at")
    held = visible_runs(user).running().filter(worker__in=[each.pk for each in processes])
    return held.only(*columns).order_by("worker", "started_at")


def _facts(process: WorkerProcess, runs: Sequence[TaskRun], now: dt.datetime) -> WorkerFacts:
    return WorkerFacts(
        process=process,
        heard_of=max(now - process.heartbeat_at, dt.timedelta()),
        runs=runs[:SHOWN_RUNS],
        more_runs=max(len(runs) - SHOWN_RUNS, 0),
    )
