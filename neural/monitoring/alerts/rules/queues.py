"""Rules about queues: runs that wait for too long, and why."""

import datetime as dt
from collections.abc import Callable, Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.conf import conf as ledger_conf
from neural.health.findings import due_runs_told, span
from neural.health.situation import Waiting, pending_queues
from neural.models import TaskRun
from neural.monitoring.alerts.judging import (
    UNKNOWN,
    Condition,
    Facts,
    Judgement,
    Rule,
    Thresholds,
    View,
    from_settings,
    severity_of,
)
from neural.monitoring.alerts.rules import register_rule
from neural.monitoring.models import AlertRule, Severity
from neural.monitoring.rollups import reading
from neural.queues import HIGH_PRIORITY_QUEUE, LOW_PRIORITY_QUEUE

QUEUES_PAGE = "neural_queuepause_changelist"
_OF_QUEUE = {HIGH_PRIORITY_QUEUE: "oldest_due_urgent", LOW_PRIORITY_QUEUE: "oldest_due_low"}


def _limits(queue: str, thresholds: Thresholds) -> tuple[float, float]:
    """For how many seconds a due run of the queue may wait, until a warning and until critical."""
    name = _OF_QUEUE.get(queue, "oldest_due")
    return thresholds[f"{name}_seconds"], thresholds[f"{name}_critical_seconds"]


def _waits_told(subject: str, facts: Facts) -> str:
    if not facts["runs"]:
        return _("%(queue)s: nothing is due") % {"queue": subject}
    return _("%(queue)s: %(runs)s, the oldest for %(span)s") % {
        "queue": subject,
        "runs": due_runs_told(facts["runs"]),
        "span": span(facts["seconds"]),
    }


def _condition(waiting: Waiting, severity: Severity) -> Condition:
    return Condition(subject=waiting.queue, severity=severity, facts=_figures(waiting))


def _figures(waiting: Waiting | None) -> Facts:
    if waiting is None:
        return {"runs": 0}
    return {"runs": waiting.runs, "seconds": round(waiting.oldest_seconds)}


def _figures_now(view: View) -> Callable[[str], Facts]:
    return lambda queue: _figures(view.situation.waiting.get(queue))


def _row(subject: str, facts: Facts) -> Mapping[str, str]:
    return {"queue": subject}


def _oldest_due(view: View, thresholds: Thresholds) -> Judgement:
    """Not judged while the broker is down or nobody reads the queue, which another alert says."""
    if view.is_problem("broker"):
        return UNKNOWN
    waiting = view.situation.waiting
    unread = waiting.keys() - view.situation.readers.keys()
    found = []
    for queue, each in waiting.items():
        warning, critical = _limits(queue, thresholds)
        if queue in view.situation.pauses or queue in unread:
            continue
        seconds = each.oldest_seconds
        if severity := severity_of(warning=seconds > warning, critical=seconds > critical):
            found.append(_condition(each, severity))
    return Judgement(
        found,
        knows=lambda queue: queue not in unread or queue in view.situation.pauses,
        well=_figures_now(view),
    )


OLDEST_DUE = register_rule(
    Rule(
        name="oldest_due",
        title=gettext_lazy("Runs wait for too long"),
        judge=_oldest_due,
        sentence=_waits_told,
        well=_waits_told,
        covers=("backlog",),
        page=QUEUES_PAGE,
        rows=_row,
        thresholds=(
            from_settings(
                "alert_oldest_due_urgent_seconds", gettext_lazy("high_priority: warning (s)")
            ),
            from_settings(
                "alert_oldest_due_urgent_critical_seconds",
                gettext_lazy("high_priority: critical (s)"),
            ),
            from_settings("alert_oldest_due_seconds", gettext_lazy("other queues: warning (s)")),
            from_settings(
                "alert_oldest_due_critical_seconds", gettext_lazy("other queues: critical (s)")
            ),
            from_settings(
                "alert_oldest_due_low_seconds", gettext_lazy("low_priority: warning (s)")
            ),
            from_settings(
                "alert_oldest_due_low_critical_seconds", gettext_lazy("low_priority: critical (s)")
            ),
        ),
    )
)


def patience() -> Callable[[str], float]:
    """For how many seconds a due run of a queue may wait until an alert warns."""
    own = AlertRule.objects.filter(pk=OLDEST_DUE.name).values_list("thresholds", flat=True).first()
    thresholds = OLDEST_DUE.values(own or {})
    return lambda queue: _limits(queue, thresholds)[0]


def _stalled_queue(view: View, thresholds: Thresholds) -> Judgement:
    """Judged only of queues that somebody reads, while the broker answers."""
    if view.is_problem("broker") or not view.has_figures:
        return UNKNOWN
    limits = view.thresholds_of(OLDEST_DUE)
    unread = view.situation.waiting.keys() - view.situation.readers.keys()
    idle = thresholds["stalled_queue_seconds"]
    late = [
        each
        for queue, each in view.situation.waiting.items()
        if queue not in view.situation.pauses
        and queue not in unread
        and each.oldest_seconds > max(_limits(queue, limits)[0], idle)
    ]
    stalled = [each for each in late if not _has_moved(each.queue, view, seconds=idle)]
    return Judgement(
        [_condition(each, Severity.CRITICAL) for each in stalled],
        knows=lambda queue: queue not in unread or queue in view.situation.pauses,
        well=_figures_now(view),
    )


def _has_moved(queue: str, view: View, *, seconds: float) -> bool:
    """Whether a run of the queue has started or ended lately. Figures are by the minute, and as old
    as the last time that relays added up, so one more minute counts as lately."""
    since = view.now - dt.timedelta(seconds=seconds)
    if TaskRun.objects.running().filter(queue=queue, started_at__gt=since).exists():
        return True
    minutes = reading.by_minute(since - dt.timedelta(minutes=1), view.now)
    of_queue = (figures[(queue,)] for figures in minutes.values() if (queue,) in figures)
    return any(figures.attempts + figures.lost for figures in of_queue)


def _stalled_told(subject: str, facts: Facts) -> str:
    told = _("%(waits)s; none has started lately, although workers read the queue")
    return told % {"waits": _waits_told(subject, facts)}


STALLED_QUEUE = register_rule(
    Rule(
        name="stalled_queue",
        title=gettext_lazy("A queue stands still"),
        judge=_stalled_queue,
        sentence=_stalled_told,
        well=_waits_told,
        page=QUEUES_PAGE,
        rows=_row,
        thresholds=(
            from_settings("alert_stalled_queue_seconds", gettext_lazy("nothing started for (s)")),
        ),
    )
)


def _no_worker(view: View, thresholds: Thresholds) -> Judgement:
    unread = [
        each
        for queue, each in view.situation.waiting.items()
        if queue not in view.situation.readers
        and queue not in view.situation.pauses
        and each.oldest_seconds > thresholds["no_worker_seconds"]
    ]
    critical = [_condition(each, Severity.CRITICAL) for each in unread]
    return Judgement(critical, well=_figures_now(view))


def _no_worker_told(subject: str, facts: Facts) -> str:
    return _("no worker reads %(queue)s; %(waits)s") % {
        "queue": subject,
        "waits": _waits_told(subject, facts),
    }


NO_WORKER = register_rule(
    Rule(
        name="no_worker",
        title=gettext_lazy("No worker reads a queue"),
        judge=_no_worker,
        sentence=_no_worker_told,
        well=_waits_told,
        covers=("workers",),
        page=QUEUES_PAGE,
        rows=_row,
        thresholds=(
            from_settings("alert_no_worker_seconds", gettext_lazy("due and unread for (s)")),
        ),
    )
)


def _relay_behind(view: View, thresholds: Thresholds) -> Judgement:
    """A queue with enough messages in the broker gets no more, and a paused one none at all."""
    facts = view.situation.broker
    if facts.error or view.is_problem("broker"):
        return UNKNOWN
    limit = ledger_conf().queue_depth_limit
    found = []
    for queue in pending_queues():
        if queue in view.situation.pauses or facts.messages.get(queue, 0) >= limit:
            continue
        seconds = _unpublished_for(queue, view.now)
        warning = thresholds["relay_behind_seconds"]
        critical = thresholds["relay_behind_critical_seconds"]
        if severity := severity_of(warning=seconds > warning, critical=seconds > critical):
            about = {"seconds": round(seconds)}
            found.append(Condition(subject=queue, severity=severity, facts=about))
    return Judgement(found)


def _unpublished_for(queue: str, now: dt.datetime) -> float:
    """For how many seconds the oldest message has been waiting; 0 if none waits."""
    unpublished = TaskRun.objects.unpublished(now).filter(queue=queue).order_by("publish_at")
    oldest = unpublished.values_list("publish_at", flat=True).first()
    return (now - oldest).total_seconds() if oldest else 0.0


def _relay_told(subject: str, facts: Facts) -> str:
    return _("messages of %(queue)s wait to be published, the oldest for %(span)s") % {
        "queue": subject,
        "span": span(facts["seconds"]),
    }


RELAY_BEHIND = register_rule(
    Rule(
        name="relay_behind",
        title=gettext_lazy("The relay is behind"),
        judge=_relay_behind,
        sentence=_relay_told,
        page=QUEUES_PAGE,
        rows=_row,
        thresholds=(
            from_settings("alert_relay_behind_seconds", gettext_lazy("warning (s)")),
            from_settings("alert_relay_behind_critical_seconds", gettext_lazy("critical (s)")),
        ),
    )
)
