"""Rules about beat and its schedules, if django-celery-beat is installed."""

import logging

from django.apps import apps
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.health.findings import span
from neural.models import WorkerProcess
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
from neural.schedules import BEAT
from neural.schedules.state import states_in_force

logger = logging.getLogger(__name__)

SCHEDULES_PAGE = "neural_schedulepolicy_changelist"


def _beat_silence(view: View) -> float | None:
    """For how many seconds no beat has been heard of; None if none ever was."""
    heard = WorkerProcess.objects.beats().last_heard()
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
    if not apps.is_installed(BEAT):
        return Judgement()
    silence = _beat_silence(view)
    if silence is not None and silence > view.thresholds_of(BEAT_SILENT)["beat_silent_seconds"]:
        return UNKNOWN
    found, unknown = [], set()
    for each in states_in_force(view.now):
        due = each.overdue_since
        if each.problem and not each.is_app_absent:  # beat leaves those out
            logger.info("event=schedule_not_judged schedule=%r error=%r", each.name, each.problem)
            unknown.add(each.name)
        elif each.refused:
            found.append(Condition(subject=each.name, facts={"refused": each.refused}))
        elif due:
            seconds = round((view.now - due).total_seconds())
            facts = {"due_at": due.isoformat(), "seconds": seconds}
            found.append(Condition(subject=each.name, facts=facts))
    return Judgement(found, knows=lambda name: name not in unknown)


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
