"""Probes of workers and of the runs that wait for them."""

from celery import current_app
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.conf import conf
from neural.health.findings import (
    COUNTED,
    Finding,
    Status,
    due_runs_told,
    in_turn,
    listed,
    ok,
    problem,
    span,
    warning,
)
from neural.health.situation import Situation, Waiting
from neural.models import QueuePause, WorkerProcess
from neural.queues import HIGH_PRIORITY_QUEUE, LOW_PRIORITY_QUEUE, QUEUES

# Seconds for which due runs of a queue may wait before somebody should look.
PATIENCE_SECONDS = {HIGH_PRIORITY_QUEUE: 60, LOW_PRIORITY_QUEUE: 24 * 3600}
DEFAULT_PATIENCE_SECONDS = 600


def workers(situation: Situation) -> Finding:
    """Every queue that must be read is read by a live worker."""
    needed = list(dict.fromkeys([*QUEUES, *situation.waiting]))
    unread = [queue for queue in needed if queue not in situation.readers]
    if unread:
        return _unread(situation, unread)
    found = _who_lives(situation, needed)
    silent = situation.once("silent workers", _silent)
    if silent:
        return _some_silent(found, silent)
    return ok("workers", found)


def _silent() -> list[WorkerProcess]:
    return list(WorkerProcess.objects.silent(conf().worker_lost_seconds)[:COUNTED])


def _who_lives(situation: Situation, needed: list[str]) -> str:
    number = len(situation.workers)
    alive = ngettext("%(count)d worker is alive", "%(count)d workers are alive", number)
    read = listed(
        _("%(queue)s by %(workers)d") % {"queue": queue, "workers": len(situation.readers[queue])}
        for queue in needed
    )
    return _("%(workers)s: %(queues)s") % {"workers": alive % {"count": number}, "queues": read}


def _some_silent(found: str, silent: list[WorkerProcess]) -> Finding:
    about = {
        "found": found,
        "seconds": f"{conf().worker_lost_seconds:g}",
        "workers": listed(worker.name for worker in silent[:3]),
    }
    return warning(
        "workers",
        _("%(found)s; silent for more than %(seconds)s s: %(workers)s") % about,
        _("the relay gives them up by itself; if they are to live, see their logs"),
    )


def _unread(situation: Situation, unread: list[str]) -> Finding:
    told = _("nobody reads %(queues)s") % {
        "queues": listed(_with_due(queue, situation.waiting.get(queue)) for queue in unread)
    }
    if not situation.workers:
        told = in_turn([_("no worker is alive"), told])
    strange = [queue for queue in unread if queue not in current_app.amqp.queues]
    known = [queue for queue in unread if queue not in strange]
    cures = [_("type: manage.py worker --queues %(queue)s") % {"queue": ",".join(known)}]
    return problem("workers", told, in_turn([*(cures if known else []), *map(_strange, strange)]))


def _strange(queue: str) -> str:
    return _(
        "%(queue)s is no queue of this project: add it to CELERY_TASK_QUEUES and start a worker "
        "for it, or cancel its runs in the admin"
    ) % {"queue": queue}


def _with_due(queue: str, waiting: Waiting | None) -> str:
    return f"{queue} ({due_runs_told(waiting.runs)})" if waiting else queue


def backlog(situation: Situation) -> Finding:
    """Nothing has been due for too long."""
    waiting = situation.waiting
    if not waiting:
        return ok("backlog", _("nothing is due"))
    told = in_turn(_described(each) for each in waiting.values())
    late = [each for each in _not_paused(situation) if _is_late(each)]
    if not late:
        return ok("backlog", told)
    urgent = any(each.queue == HIGH_PRIORITY_QUEUE for each in late)
    return Finding(
        probe="backlog",
        status=Status.PROBLEM if urgent else Status.WARNING,
        found=told,
        remedy=_(
            "see that its workers work, or add one: manage.py worker --name more --queues "
            "%(queues)s"
        )
        % {"queues": ",".join(each.queue for each in late)},
    )


def _not_paused(situation: Situation) -> list[Waiting]:
    """What waits although nobody wants it to."""
    waiting = situation.waiting.values()
    return [each for each in waiting if each.queue not in situation.pauses]


def _described(waiting: Waiting) -> str:
    return _("%(queue)s: %(runs)s, the oldest for %(span)s") % {
        "queue": waiting.queue,
        "runs": due_runs_told(waiting.runs),
        "span": span(waiting.oldest_seconds),
    }


def patience_seconds(queue: str) -> float:
    """For how long due runs of a queue may wait before somebody should look."""
    return PATIENCE_SECONDS.get(queue, DEFAULT_PATIENCE_SECONDS)


def _is_late(waiting: Waiting) -> bool:
    return waiting.oldest_seconds > patience_seconds(waiting.queue)


def paused_queues(situation: Situation) -> Finding:
    """No queue is paused: somebody may have forgotten it."""
    if not situation.pauses:
        return ok("paused queues", _("no queue is paused"))
    return warning(
        "paused queues",
        in_turn(_pause_told(each, situation) for each in situation.pauses.values()),
        in_turn(
            _("type: manage.py queue resume %(queue)s") % {"queue": queue}
            for queue in situation.pauses
        ),
    )


def _pause_told(paused: QueuePause, situation: Situation) -> str:
    about = {
        "queue": paused.queue,
        "name": paused.paused_by,
        "span": span((situation.now - paused.since).total_seconds()),
        "reason": paused.reason,
    }
    if paused.until is None:
        return _("%(name)s paused %(queue)s %(span)s ago, without an end: %(reason)s") % about
    about["left"] = span((paused.until - situation.now).total_seconds())
    return _("%(name)s paused %(queue)s %(span)s ago, for another %(left)s: %(reason)s") % about
