"""The state of each schedule: when it is due, whether it is late and why, and how it went last.

The pages, the rule of alerts and doctor read it from here. Any number of schedules costs the same
few statements.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import Any

from celery import current_app
from django.apps import apps
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from neural.celeryapp.task import LedgerTask
from neural.kit.optional import absent_app_advice
from neural.kit.tasks import load_tasks
from neural.kit.thresholds import Thresholds, thresholds_of
from neural.ledger.work import given_title
from neural.models import SchedulePolicy, SkipReason, TaskRun
from neural.runs.models.run import TaskRunQuerySet
from neural.schedules import BEAT
from neural.schedules.due_times import due_after, first_due
from neural.schedules.rhythms import rhythm_of
from neural.schedules.runs import newest_run
from neural.schedules.switches import SwitchedOff, off_schedules, switched_off

TIMES_SHOWN = 5
RARE = dt.timedelta(hours=12)
"""Nightly work comes no more often than this."""
RARE_TIMES = 3
"""From so many due times is told whether a schedule comes rarely."""
MOST_LOOKED_AT = 500
"""So many schedules are judged at a time."""


@dataclass(frozen=True, kw_only=True)
class ScheduleState:
    """One schedule, as of ``now``."""

    schedule: Any
    """The row of django-celery-beat."""
    now: dt.datetime
    policy: SchedulePolicy
    thresholds: Thresholds
    """Those of the alert ``schedule_overdue``."""
    off: SwitchedOff | None = None
    """Who switched it off; None if it is on."""
    last_run: TaskRun | None = None
    """Its newest run, if that was asked for and may be seen."""

    @property
    def name(self) -> str:
        return str(self.schedule.name)

    @property
    def title(self) -> str:
        """What its task does, in words if the task says them; else empty."""
        return given_title(self.schedule.task)

    @property
    def rhythm(self) -> str:
        return rhythm_of(self.schedule)

    @property
    def is_on_ledger(self) -> bool:
        load_tasks()
        return isinstance(current_app.tasks.get(self.schedule.task), LedgerTask)

    @property
    def is_app_absent(self) -> bool:
        """Whether beat leaves it out, because the app of its task is not installed."""
        return bool(absent_app_advice(self.schedule.task))

    @property
    def is_in_force(self) -> bool:
        """Whether beat looks at it: it is on, has not expired and is not a single run that is done
        (beat switches that off when it looks next)."""
        row = self.schedule
        is_over = (row.expires and self.now >= row.expires) or (row.one_off and row.total_run_count)
        return row.enabled and not is_over and not self.is_app_absent

    @cached_property
    def _first_due(self) -> tuple[dt.datetime | None, str]:
        """When it is due next, in the past if beat has not come yet; else what keeps it from being
        computed."""
        try:
            return (first_due(self.schedule) if self.is_in_force else None), ""
        except Exception as error:  # noqa: BLE001 (a row that beat cannot use, or a package is absent)
            return None, str(error) or type(error).__name__

    @property
    def problem(self) -> str:
        """Why it never comes although it is on; empty if nothing is wrong with it."""
        if self.schedule.enabled and self.is_app_absent:
            return _("the app of its task is not installed")
        return self._first_due[1]

    @property
    def due_since(self) -> dt.datetime | None:
        """The due time that beat has not come to yet; None if nothing is due."""
        due, _problem = self._first_due
        return due if due and due <= self.now else None

    @cached_property
    def overdue_since(self) -> dt.datetime | None:
        """The same, once it is later than its grace: a share of its period, within bounds."""
        due, limits = self.due_since, self.thresholds
        if due is None:
            return None
        seconds, least = (self.now - due).total_seconds(), limits["schedule_grace_least_seconds"]
        if seconds <= least:
            return None  # spares the next computation, which few schedules need
        period = (due_after(self.schedule.schedule, due) - due).total_seconds()
        share = limits["schedule_grace_share"] * period
        grace = max(least, min(share, limits["schedule_grace_most_seconds"]))
        return due if seconds > grace else None

    @property
    def refused(self) -> str:
        """Why its last due time was refused; empty if it was not, or beat does not look at it."""
        return self.policy.refusal_of(self.schedule) if self.is_in_force else ""

    @property
    def is_overdue(self) -> bool:
        """Whether beat has not come to it in time, or refused it."""
        return self.overdue_since is not None or bool(self.refused)

    @property
    def trouble(self) -> str:
        """Who switched it off, or why it does not run."""
        return self.off.summary if self.off else self.problem or self.refused

    def times_to_come(self) -> Iterator[dt.datetime]:
        """Its due times, earliest first. Those of a schedule that runs once end with it. What is
        due already is not among them: beat records it as soon as it runs, and counts on from
        then."""
        row, due = self.schedule, self._first_due[0]
        if due is None or (due <= self.now and row.one_off):
            return
        if due <= self.now:
            due = due_after(row.schedule, self.now)
        while not (row.expires and due >= row.expires):
            yield due
            if row.one_off or row.clocked_id:
                return
            due = due_after(row.schedule, due)

    @cached_property
    def upcoming(self) -> Sequence[dt.datetime]:
        return list(islice(self.times_to_come(), TIMES_SHOWN))

    @cached_property
    def next_at(self) -> dt.datetime | None:
        return next(self.times_to_come(), None)

    @property
    def next_in(self) -> dt.timedelta | None:
        return self.next_at - self.now if self.next_at else None

    @property
    def is_rare(self) -> bool:
        times = pairwise(islice(self.times_to_come(), RARE_TIMES))
        return all(later - earlier >= RARE for earlier, later in times)

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
    def skipped_for(self) -> str:
        """Why a due time was left out last, in words; empty if none was."""
        reason, _space, about = self.policy.skipped_why.partition(" ")
        if reason not in SkipReason.values:
            return ""
        label = str(SkipReason(reason).label)
        return f"{label} ({about})" if reason == SkipReason.REFUSED else label


def schedule_states(
    schedules: QuerySet[Any], *, now: dt.datetime, runs: TaskRunQuerySet | None = None
) -> list[ScheduleState]:
    """The states of these schedules; each with its newest run, if that is among ``runs``."""
    if runs is not None:
        # The newest of all, and then whether it may be seen: to look for the newest that a user may
        # see would read every run of the user's stores.
        schedules = schedules.annotate(newest_run=newest_run(TaskRun.objects.all()))
    found = list(schedules)
    last_runs: dict[int, TaskRun] = {}
    if runs is not None:
        newest = [each.newest_run for each in found if each.newest_run]
        last_runs = runs.defer("args", "kwargs", "result").in_bulk(newest)
    policies = SchedulePolicy.objects.in_bulk([each.pk for each in found])
    off = switched_off([each.pk for each in found if not each.enabled])
    thresholds = thresholds_of("schedule_overdue")
    return [
        ScheduleState(
            schedule=each,
            now=now,
            policy=policies.get(each.pk) or SchedulePolicy(schedule_id=each.pk),
            thresholds=thresholds,
            off=off.get(each.pk),
            last_run=last_runs.get(each.newest_run) if runs is not None else None,
        )
        for each in found
    ]


def all_schedules() -> QuerySet[Any]:
    """The schedules in the order in which they are shown."""
    rows: QuerySet[Any] = apps.get_model(BEAT, "PeriodicTask")._default_manager.all()
    return rows.select_related("crontab", "interval", "solar", "clocked").order_by("name")


def states_in_force(now: dt.datetime, *, only: Q | None = None) -> list[ScheduleState]:
    """The states of the schedules that are on: of at most :data:`MOST_LOOKED_AT`, those that ran
    longest ago, which are due next, or have been missed."""
    on = all_schedules().filter(only or Q(), enabled=True)
    longest_ago = on.order_by(F("last_run_at").asc(nulls_first=True), "pk")
    return schedule_states(longest_ago[:MOST_LOOKED_AT], now=now)


def overdue(now: dt.datetime) -> list[ScheduleState]:
    """The schedules that are overdue, those that have been due for longest first."""
    late = [each for each in states_in_force(now) if each.is_overdue]
    return sorted(late, key=lambda each: each.due_since or now)


def nightly(now: dt.datetime, *, most: int) -> list[int]:
    """The keys of the schedules that come at most every :data:`RARE`: at most so many of those that
    are on, what is overdue first, then what comes next; then as many that are switched off."""
    rare = [each for each in states_in_force(now, only=~_OFTEN) if each.is_rare]
    rare.sort(key=lambda each: (not each.is_overdue, each.next_at or now))
    off = off_schedules(now).exclude(_OFTEN).values_list("pk", flat=True)
    return [*(each.schedule.pk for each in rare[:most]), *off[:most]]


# Of these the rows say that they come more often than RARE.
_OFTEN = (
    Q(interval__period__in=["seconds", "microseconds"], interval__every__lt=43_200)
    | Q(interval__period="minutes", interval__every__lt=720)
    | Q(interval__period="hours", interval__every__lt=12)
    | Q(crontab__hour="*")
    | Q(crontab__minute="*")
)
