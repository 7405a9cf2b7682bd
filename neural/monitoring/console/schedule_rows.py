"""What the page of schedules says of each schedule, read by a fixed number of queries."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from celery import current_app
from django.db.models import F, Q, QuerySet
from django_celery_beat.models import PeriodicTask

from neural.celeryapp.task import LedgerTask
from neural.kit.tasks import load_tasks
from neural.ledger.clock import database_clock
from neural.ledger.work import given_title
from neural.models import SchedulePolicy, SkipReason, TaskRun
from neural.monitoring.console.page import visible_runs
from neural.schedules.due_times import next_due_times, overdue_since
from neural.schedules.rhythms import rhythm_of
from neural.schedules.runs import newest_run
from neural.schedules.switches import SwitchedOff, off_schedules, switched_off

SHOWN = 50
TIMES_SHOWN = 3
OVERDUE_AFTER = dt.timedelta(seconds=15)
"""Beat looks every five seconds."""
RARE = dt.timedelta(hours=12)
"""Nightly work comes no more often than this."""
RARE_TIMES = 3
"""From so many due times is told whether a schedule comes rarely."""
MOST_LOOKED_AT = 500
"""The times of so many schedules are computed for one page."""


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
        return rhythm_of(self.schedule)

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
    def last_at(self) -> dt.datetime | None:
        """When its last run ended, or began, or is due."""
        run = self.last_run
        return (run.finished_at or run.started_at or run.available_at) if run else None

    @property
    def is_overdue(self) -> bool:
        """Whether beat has not come to it, or refused it."""
        return self.overdue_since is not None or bool(self.refused)

    @property
    def trouble(self) -> str:
        """Who switched it off, or why it is refused."""
        return self.off.summary if self.off else self.refused

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
    load_tasks()
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


def _row(schedule: PeriodicTask, *, now: dt.datetime, count: int, **known: Any) -> ScheduleRow:
    timing = timing_of(schedule, now=now, count=count)
    return ScheduleRow(schedule=schedule, now=now, **timing._asdict(), **known)


class Timing(NamedTuple):
    """The times of one schedule."""

    upcoming: Sequence[dt.datetime]
    overdue_since: dt.datetime | None
    problem: str
    """Why its times cannot be computed; empty if they can."""

    @property
    def is_rare(self) -> bool:
        return all(later - earlier >= RARE for earlier, later in pairwise(self.upcoming))


Timed = tuple[PeriodicTask, Timing]


def timing_of(schedule: PeriodicTask, *, now: dt.datetime, count: int) -> Timing:
    """When a schedule is due next, and since when it has been due."""
    try:
        upcoming = next_due_times(schedule, now, count)
        return Timing(upcoming, overdue_since(schedule, now - OVERDUE_AFTER), "")
    except Exception as error:  # noqa: BLE001 (a row that beat cannot use, or a package is absent)
        return Timing((), None, str(error) or type(error).__name__)


def all_schedules() -> QuerySet[PeriodicTask]:
    """The schedules in the order in which they are shown."""
    kinds = ("crontab", "interval", "solar", "clocked")
    found: QuerySet[PeriodicTask] = PeriodicTask.objects.select_related(*kinds).order_by("name")
    return found


def nightly(now: dt.datetime, *, most: int) -> list[int]:
    """The keys of the schedules that come at most every :data:`RARE`: at most so many of those that
    are on, what is overdue first, then what comes next; then as many that are switched off."""
    on = _maybe_rare(all_schedules().filter(enabled=True))
    rare = [each for each in _timed(_longest_ago(on), now) if each[1].is_rare]
    rare.sort(key=lambda each: _urgency(each[1], now))
    off = _maybe_rare(off_schedules(now)).values_list("pk", flat=True)
    return [*(schedule.pk for schedule, _ in rare[:most]), *off[:most]]


def _urgency(timing: Timing, now: dt.datetime) -> tuple[bool, dt.datetime]:
    return timing.overdue_since is None, timing.upcoming[0] if timing.upcoming else now


def overdue(now: dt.datetime) -> list[PeriodicTask]:
    """The enabled schedules to which beat has not come, those that it left for longest first."""
    enabled = _longest_ago(all_schedules().filter(enabled=True))
    found = [(timing.overdue_since, each) for each, timing in _timed(enabled, now, count=0)]
    late = [(since, schedule) for since, schedule in found if since is not None]
    return [schedule for _, schedule in sorted(late, key=lambda each: each[0])]


def _timed(
    schedules: Iterable[PeriodicTask], now: dt.datetime, *, count: int = RARE_TIMES
) -> list[Timed]:
    return [(each, timing_of(each, now=now, count=count)) for each in schedules]


def _maybe_rare(schedules: QuerySet[PeriodicTask]) -> QuerySet[PeriodicTask]:
    """Those whose rows do not say that they come more often than :data:`RARE`."""
    often = Q(interval__period__in=["seconds", "microseconds"], interval__every__lt=43_200)
    often |= Q(interval__period="minutes", interval__every__lt=720)
    often |= Q(interval__period="hours", interval__every__lt=12)
    often |= Q(crontab__hour="*") | Q(crontab__minute="*")
    return schedules.exclude(often)


def _longest_ago(schedules: QuerySet[PeriodicTask]) -> QuerySet[PeriodicTask]:
    """At most :data:`MOST_LOOKED_AT`. What ran longest ago is due next, or has been missed."""
    return schedules.order_by(F("last_run_at").asc(nulls_first=True), "pk")[:MOST_LOOKED_AT]
