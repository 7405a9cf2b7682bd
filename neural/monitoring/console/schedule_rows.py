"""What the page of schedules says of each schedule, read by a fixed number of queries."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from celery import current_app
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask

from neural.admin.rhythm import in_words
from neural.celeryapp.due_times import next_due_times, overdue_since
from neural.celeryapp.schedule_runs import newest_run
from neural.celeryapp.task import LedgerTask
from neural.ledger.clock import database_clock
from neural.models import SchedulePolicy, SkipReason, TaskRun
from neural.monitoring.console.viewers import visible_runs

SHOWN = 50
TIMES_SHOWN = 3
OVERDUE_AFTER = dt.timedelta(seconds=15)
"""Beat looks every five seconds."""
RARE = dt.timedelta(hours=12)
"""Nightly work comes no more often than this."""
NIGHTLY_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class ScheduleRow:
    """One schedule, as of ``now``."""

    schedule: PeriodicTask
    now: dt.datetime
    upcoming: Sequence[dt.datetime]
    overdue_since: dt.datetime | None
    problem: str
    """Why its times cannot be computed; empty if they can."""
    last_run: TaskRun | None
    """Its newest run among those that the user may see."""
    policy: SchedulePolicy

    @property
    def name(self) -> str:
        return str(self.schedule.name)

    @property
    def title(self) -> str:
        """What its task does, in words if the task says them; else empty."""
        return str(getattr(self._task, "title", "") or "")

    @property
    def is_on_ledger(self) -> bool:
        return isinstance(self._task, LedgerTask)

    @property
    def rhythm(self) -> str:
        return in_words(self.schedule)

    @property
    def next_at(self) -> dt.datetime | None:
        return self.upcoming[0] if self.upcoming else None

    @property
    def next_in(self) -> dt.timedelta | None:
        return self.next_at - self.now if self.next_at else None

    @property
    def took(self) -> dt.timedelta | None:
        """How long its last run took, or has been working."""
        return self.last_run.duration if self.last_run else None

    @property
    def skipped_for(self) -> str:
        """Why a due time was left out last, in words; empty if none was."""
        reason = self.policy.skipped_why.partition(" ")[0]
        return str(SkipReason(reason).label) if reason in SkipReason.values else ""

    @property
    def _task(self) -> Any:
        return current_app.tasks.get(self.schedule.task)


def all_schedules() -> QuerySet[PeriodicTask]:
    """The schedules in the order in which they are shown."""
    kinds = ("crontab", "interval", "solar", "clocked")
    found: QuerySet[PeriodicTask] = PeriodicTask.objects.select_related(*kinds).order_by("name")
    return found


def rows_of(
    schedules: QuerySet[PeriodicTask], user: Any, *, times: int = TIMES_SHOWN
) -> list[ScheduleRow]:
    """What is said of these schedules to this user. Reads the ledger's database alone."""
    _load_tasks()
    now = database_clock()
    found = list(schedules.annotate(newest_run=newest_run(visible_runs(user))))
    runs = TaskRun.objects.defer("args", "kwargs", "result").in_bulk(
        [each.newest_run for each in found if each.newest_run]
    )
    policies = SchedulePolicy.objects.in_bulk([each.pk for each in found])
    return [
        _row(
            each,
            now=now,
            count=times,
            last_run=runs.get(each.newest_run),
            policy=policies.get(each.pk) or SchedulePolicy(schedule_id=each.pk),
        )
        for each in found
    ]


@cache
def _load_tasks() -> None:
    """Once for each process: Celery checks all of Django's models each time."""
    current_app.loader.import_default_modules()


def _row(schedule: PeriodicTask, *, now: dt.datetime, count: int, **known: Any) -> ScheduleRow:
    upcoming: Sequence[dt.datetime] = ()
    since, problem = None, ""
    try:
        upcoming = next_due_times(schedule, now, count)
        since = overdue_since(schedule, now - OVERDUE_AFTER)
    except Exception as error:  # noqa: BLE001 (a row that beat cannot use, or a package is absent)
        problem = str(error) or type(error).__name__
    return ScheduleRow(
        schedule=schedule,
        now=now,
        upcoming=upcoming,
        overdue_since=since,
        problem=problem,
        **known,
    )


def nightly(rows: Iterable[ScheduleRow]) -> list[ScheduleRow]:
    """Those that come at most every :data:`RARE`: what is overdue first, then what comes next."""
    rare = [row for row in rows if row.schedule.enabled and _is_rare(row)]
    rare.sort(key=lambda row: (row.overdue_since is None, row.next_at or row.now))
    return rare[:NIGHTLY_SHOWN]


def _is_rare(row: ScheduleRow) -> bool:
    return all(later - earlier >= RARE for earlier, later in pairwise(row.upcoming))
