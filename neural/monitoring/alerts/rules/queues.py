"""Rules about queues: runs that wait for too long, and why."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.health.findings import span, waiting_text
from neural.kit.conf import conf as ledger_conf
from neural.models import TaskRun
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
    severity_of,
)
from neural.monitoring.models import Severity
from neural.monitoring.rollups import reading
from neural.queues.state import QueueState, pending_queues

QUEUES_PAGE = "neural_queuepause_changelist"


def _waits_sentence(subject: str, facts: Facts) -> str:
    return waiting_text(subject, facts["runs"], facts.get("seconds", 0))


def _condition(waiting: QueueState, severity: Severity) -> Condition:
    return Condition(subject=waiting.name, severity=severity, facts=_figures(waiting))


def _figures(waiting: QueueState | None) -> Facts:
    if waiting is None:
        return {"runs": 0}
    return {"runs": waiting.due, "seconds": round(waiting.oldest_seconds)}


def _of_read_queues(view: View, found: Sequence[Condition]) -> Judgement:
    """The rule knows nothing of a queue that nobody reads, which another alert says."""
    unread = {each.name for each in view.situation.waiting.values() if each.is_unread}
    return Judgement(found, knows=lambda queue: queue not in unread, well=_figures_in(view))


def _figures_in(view: View) -> Callable[[str], Facts]:
    return lambda queue: _figures(view.situation.waiting.get(queue))


def _row(subject: str, facts: Facts) -> Mapping[str, str]:
    return {"queue": subject}


def _oldest_due(view: View, thresholds: Thresholds) -> Judgement:
    """Not judged while the broker is down or nobody reads the queue, which another alert says. The
    state of each queue has been judged by these thresholds already (``wait_limits``)."""
    if view.is_problem("broker"):
        return UNKNOWN
    found = [
        _condition(each, Severity.CRITICAL if each.is_critically_late else Severity.WARNING)
        for each in view.situation.waiting.values()
        if each.is_late
    ]
    return _of_read_queues(view, found)


OLDEST_DUE = Rule(
    name="oldest_due",
    title=gettext_lazy("Runs wait for too long"),
    judge=_oldest_due,
    sentence=_waits_sentence,
    well=_waits_sentence,
    of_stores=True,
    page=QUEUES_PAGE,
    rows=_row,
    thresholds=from_settings(
        oldest_due_urgent_seconds=gettext_lazy("high_priority: warning (s)"),
        oldest_due_urgent_critical_seconds=gettext_lazy("high_priority: critical (s)"),
        oldest_due_seconds=gettext_lazy("other queues: warning (s)"),
        oldest_due_critical_seconds=gettext_lazy("other queues: critical (s)"),
        oldest_due_low_seconds=gettext_lazy("low_priority: warning (s)"),
        oldest_due_low_critical_seconds=gettext_lazy("low_priority: critical (s)"),
    ),
)


def _stalled_queue(view: View, thresholds: Thresholds) -> Judgement:
    """Judged only of queues that somebody reads, while the broker answers."""
    if view.is_problem("broker") or not view.has_figures:
        return UNKNOWN
    idle = thresholds["stalled_queue_seconds"]
    stalled = [
        _condition(each, Severity.CRITICAL)
        for each in view.situation.waiting.values()
        if each.is_late
        and each.oldest_seconds > idle
        and not _has_moved(each.name, view, seconds=idle)
    ]
    return _of_read_queues(view, stalled)


def _has_moved(queue: str, view: View, *, seconds: float) -> bool:
    """Whether a run of the queue has started or ended lately. Figures are by the minute, and as old
    as the last time that relays added up, so one more minute counts as lately."""
    since = view.now - dt.timedelta(seconds=seconds)
    if TaskRun.objects.running().filter(queue=queue, started_at__gt=since).exists():
        return True
    minutes = reading.by_minute(since - dt.timedelta(minutes=1), view.now)
    of_queue = (figures[(queue,)] for figures in minutes.values() if (queue,) in figures)
    return any(figures.attempts + figures.lost for figures in of_queue)


def _stalled_sentence(subject: str, facts: Facts) -> str:
    text = _("%(waits)s; none has started lately, although workers read the queue")
    return text % {"waits": _waits_sentence(subject, facts)}


STALLED_QUEUE = Rule(
    name="stalled_queue",
    title=gettext_lazy("A queue stands still"),
    judge=_stalled_queue,
    sentence=_stalled_sentence,
    well=_waits_sentence,
    page=QUEUES_PAGE,
    rows=_row,
    thresholds=from_settings(
        stalled_queue_seconds=gettext_lazy("nothing started for (s)"),
    ),
)


def _no_worker(view: View, thresholds: Thresholds) -> Judgement:
    critical = [
        _condition(each, Severity.CRITICAL)
        for each in view.situation.waiting.values()
        if each.is_unread and each.oldest_seconds > thresholds["no_worker_seconds"]
    ]
    return Judgement(critical, well=_figures_in(view))


def _no_worker_sentence(subject: str, facts: Facts) -> str:
    return _("no worker reads %(queue)s; %(waits)s") % {
        "queue": subject,
        "waits": _waits_sentence(subject, facts),
    }


NO_WORKER = Rule(
    name="no_worker",
    title=gettext_lazy("No worker reads a queue"),
    judge=_no_worker,
    sentence=_no_worker_sentence,
    well=_waits_sentence,
    of_stores=True,
    page=QUEUES_PAGE,
    rows=_row,
    thresholds=from_settings(
        no_worker_seconds=gettext_lazy("due and unread for (s)"),
    ),
)


def _relay_behind(view: View, thresholds: Thresholds) -> Judgement:
    """A queue with enough messages in the broker gets no more, and a paused one none at all."""
    broker = view.situation.broker
    if broker.error or view.is_problem("broker"):
        return UNKNOWN
    limit = ledger_conf().queue_depth_limit
    found = []
    for queue in pending_queues():
        if queue in view.situation.pauses or broker.messages.get(queue, 0) >= limit:
            continue
        seconds = _unpublished_for(queue, view.now)
        warning = thresholds["relay_behind_seconds"]
        critical = thresholds["relay_behind_critical_seconds"]
        if severity := severity_of(warning=seconds > warning, critical=seconds > critical):
            facts = {"seconds": round(seconds)}
            found.append(Condition(subject=queue, severity=severity, facts=facts))
    return Judgement(found)


def _unpublished_for(queue: str, now: dt.datetime) -> float:
    """For how many seconds the oldest message has been waiting; 0 if none waits."""
    unpublished = TaskRun.objects.unpublished(now).filter(queue=queue).order_by("publish_at")
    oldest = unpublished.values_list("publish_at", flat=True).first()
    return (now - oldest).total_seconds() if oldest else 0.0


def _relay_sentence(subject: str, facts: Facts) -> str:
    return _("messages of %(queue)s wait to be published, the oldest for %(span)s") % {
        "queue": subject,
        "span": span(facts["seconds"]),
    }


RELAY_BEHIND = Rule(
    name="relay_behind",
    title=gettext_lazy("The relay is behind"),
    judge=_relay_behind,
    sentence=_relay_sentence,
    page=QUEUES_PAGE,
    rows=_row,
    thresholds=from_settings(
        relay_behind_seconds=gettext_lazy("warning (s)"),
        relay_behind_critical_seconds=gettext_lazy("critical (s)"),
    ),
)

for each in (OLDEST_DUE, STALLED_QUEUE, NO_WORKER, RELAY_BEHIND):
    register_rule(each)
