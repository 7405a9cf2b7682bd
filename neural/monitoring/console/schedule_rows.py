"""What the page of schedules says of each schedule, read by a fixed number of queries."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from celery import current_app
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask

from neural.admin.records.schedule_forms import in_words
from neural.celeryapp.schedule_runs import newest_run
from neural.celeryapp.schedule_switches import SwitchedOff, switched_off
from neural.celeryapp.task import LedgerTask
from neural.ledger.clock import database_clock
from neural.ledger.titles import given_title
from neural.models import SchedulePolicy, SkipReason, TaskRun
from neural.monitoring.console.schedule_timing import timing_of
from neural.monitoring.console.viewers import visible_runs

SHOWN = 50
TIMES_SHOWN = 3


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
    """Its newest run, if the user may see that."""
    policy: SchedulePolicy
    off: SwitchedOff | None
    """Who switched it off; None if it is on."""

    @property
    def refused(self) -> str:
        """Why its last due time was refused; empty if it was not, or if it is switched off."""
        return "" if self.off else self.policy.refusal_of(self.schedule)

    @property
    def name(self) -> str:
        return str(self.schedule.name)

    @property
    def title(self) -> str:
        """What its task does, in words if the task says them; else empty."""
        return given_title(self.schedule.task)

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
        reason, _space, about = self.policy.skipped_why.partition(" ")
        if reason not in SkipReason.values:
            return ""
        label = str(SkipReason(reason).label)
        return f"{label} ({about})" if reason == SkipReason.REFUSED else label

    @property
    def _task(self) -> Any:
        return current_app.tasks.get(self.schedule.task)


def rows_of(
    schedules: QuerySet[PeriodicTask], user: Any, *, times: int = TIMES_SHOWN
) -> list[ScheduleRow]:
    """What is said of these schedules to this user. Reads the ledger's database alone."""
    _load_tasks()
    now = database_clock()
    # The newest of all, and then whether the user may see it: to look for the newest that the user
    # may see would read every run of the user's stores.
    found = list(schedules.annotate(newest_run=newest_run(TaskRun.objects.all())))
    newest = [each.newest_run for each in found if each.newest_run]
    runs = visible_runs(user).defer("args", "kwargs", "result").in_bulk(newest)
    policies = SchedulePolicy.objects.in_bulk([each.pk for each in found])
    off = switched_off([each.pk for each in found if not each.enabled])
    return [
        _row(
            each,
            now=now,
            count=times,
            last_run=runs.get(each.newest_run),
            policy=policies.get(each.pk) or SchedulePolicy(schedule_id=each.pk),
            off=off.get(each.pk),
        )
        for each in found
    ]


@cache
def _load_tasks() -> None:
    """Once for each process: Celery checks all of Django's models each time."""
    current_app.loader.import_default_modules()


def _row(schedule: PeriodicTask, *, now: dt.datetime, count: int, **known: Any) -> ScheduleRow:
    timing = timing_of(schedule, now=now, count=count)
    return ScheduleRow(schedule=schedule, now=now, **timing._asdict(), **known)
