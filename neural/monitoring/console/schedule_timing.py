"""When schedules are due: which are overdue, and which come rarely, among any number of them.

Times are computed from a schedule's row, a third of a millisecond each. So all schedules are looked
at, up to a bound, by their times alone; what else is shown is read of the few that are chosen.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from django.db.models import F, Q, QuerySet
from django_celery_beat.models import PeriodicTask

from neural.celeryapp.due_times import next_due_times, overdue_since
from neural.celeryapp.schedule_switches import off_schedules

OVERDUE_AFTER = dt.timedelta(seconds=15)
"""Beat looks every five seconds."""
RARE = dt.timedelta(hours=12)
"""Nightly work comes no more often than this."""
RARE_TIMES = 3
"""From so many due times is told whether a schedule comes rarely."""
MOST_LOOKED_AT = 500
"""The times of so many schedules are computed for one page."""


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
