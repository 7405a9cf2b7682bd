"""Rules about beat and its schedules, if django-celery-beat is installed."""

import datetime as dt
import logging
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import DatabaseError, InterfaceError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.health.findings import span
from neural.kit.optional import absent_app_advice
from neural.models import SchedulePolicy, WorkerProcess
from neural.monitoring.alerts.rules import (
    UNKNOWN,
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    register_rule,
)
from neural.monitoring.models import Severity
from neural.schedules.due_times import due_after, overdue_since
from neural.worker.models import ProcessKind

logger = logging.getLogger(__name__)

MOST_SCHEDULES = 500
NO_POLICY = SchedulePolicy()
SCHEDULES_PAGE = "neural_schedulepolicy_changelist"


def _beat_silence(view: View) -> float | None:
    """For how many seconds no beat has been heard of; None if none ever was."""
    beats = WorkerProcess.objects.filter(kind=ProcessKind.BEAT).order_by("-heartbeat_at")
    heard = beats.values_list("heartbeat_at", flat=True).first()
    return None if heard is None else (view.now - heard).total_seconds()


def _beat_silent(view: View, thresholds: Thresholds) -> Judgement:
    """A project whose beat was never seen may run its schedules otherwise."""
    seconds = _beat_silence(view)
    if seconds is None or seconds <= thresholds["beat_silent_seconds"]:
        return Judgement()
    return Judgement([Condition(severity=Severity.CRITICAL, facts={"seconds": round(seconds)})])


def _beat_sentence(subject: str, facts: Facts) -> str:
    text = _("beat has not been heard of for %(span)s: no schedule starts anything")
    return text % {"span": span(facts["seconds"])}


BEAT_SILENT = Rule(
    name="beat_silent",
    title=gettext_lazy("Beat is silent"),
    judge=_beat_silent,
    sentence=_beat_sentence,
    page=SCHEDULES_PAGE,
    thresholds=from_settings(beat_silent_seconds=gettext_lazy("silent for (s)")),
)


def _schedule_overdue(view: View, thresholds: Thresholds) -> Judgement:
    """While beat is silent all of them are overdue, which another alert says."""
    if not apps.is_installed("django_celery_beat"):
        return Judgement()
    silence = _beat_silence(view)
    if silence is not None and silence > view.thresholds_of(BEAT_SILENT)["beat_silent_seconds"]:
        return UNKNOWN
    found, unknown = [], set()
    policies = SchedulePolicy.objects.in_bulk()
    for schedule in _enabled():
        refused = policies.get(schedule.pk, NO_POLICY).refusal_of(schedule)
        if refused:
            found.append(Condition(subject=schedule.name, facts={"refused": refused}))
            continue
        try:
            late = _late_by(schedule, view, thresholds)
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 (one unusable row must not hide all others)
            logger.info("event=schedule_not_judged schedule=%r error=%r", schedule.name, str(error))
            unknown.add(schedule.name)
            continue
        if late:
            facts = {"due_at": late[0].isoformat(), "seconds": round(late[1])}
            found.append(Condition(subject=schedule.name, facts=facts))
    return Judgement(found, knows=lambda name: name not in unknown)


def _enabled() -> Iterator[Any]:
    """Enabled schedules whose task's app is installed; beat leaves out the others."""
    from django_celery_beat.models import PeriodicTask

    for row in PeriodicTask.objects.enabled().order_by("pk")[:MOST_SCHEDULES]:
        if not absent_app_advice(row.task):
            yield row


def _late_by(schedule: Any, view: View, thresholds: Thresholds) -> tuple[dt.datetime, float] | None:
    """When the schedule was due, and for how many seconds it has been, if beyond its grace."""
    due = overdue_since(schedule, view.now)
    if due is None:
        return None
    seconds = (view.now - due).total_seconds()
    least = thresholds["schedule_grace_least_seconds"]
    if seconds <= least:
        return None  # spares the next computation, which few schedules need
    period = (due_after(schedule.schedule, due) - due).total_seconds()
    most = thresholds["schedule_grace_most_seconds"]
    grace = max(least, min(thresholds["schedule_grace_share"] * period, most))
    return (due, seconds) if seconds > grace else None


def _overdue_sentence(subject: str, facts: Facts) -> str:
    if "refused" in facts:
        text = _("the schedule %(name)s does not run: it was refused when it was due: %(reason)s")
        return text % {"name": subject, "reason": facts["refused"]}
    text = _("the schedule %(name)s has been due for %(span)s")
    return text % {"name": subject, "span": span(facts["seconds"])}


SCHEDULE_OVERDUE = Rule(
    name="schedule_overdue",
    title=gettext_lazy("A schedule is overdue"),
    judge=_schedule_overdue,
    sentence=_overdue_sentence,
    page=SCHEDULES_PAGE,
    rows=lambda schedule, facts: {"name": schedule},
    thresholds=from_settings(
        schedule_grace_share=gettext_lazy("grace (share of the period)"),
        schedule_grace_least_seconds=gettext_lazy("least grace (s)"),
        schedule_grace_most_seconds=gettext_lazy("greatest grace (s)"),
    ),
)

for each in (BEAT_SILENT, SCHEDULE_OVERDUE):
    register_rule(each)
