"""Probes of workers and of what waits for them."""

from celery import current_app

from neural.conf import conf
from neural.health.findings import Finding, Status, bounded, ok, problem, span, warning
from neural.health.situation import COUNTED, Situation, Waiting
from neural.models import WorkerProcess
from neural.runs.routing import HIGH_PRIORITY_QUEUE, LOW_PRIORITY_QUEUE, QUEUES

# How long due runs of a queue may wait before somebody should look.
PATIENCE_SECONDS = {HIGH_PRIORITY_QUEUE: 60, LOW_PRIORITY_QUEUE: 24 * 3600}
DEFAULT_PATIENCE_SECONDS = 600


def workers(situation: Situation) -> Finding:
    """Every queue that must be read is read by a living worker."""
    needed = list(dict.fromkeys([*QUEUES, *situation.waiting]))
    unread = [queue for queue in needed if queue not in situation.readers]
    if unread:
        return _unread(situation, unread)
    read = ", ".join(f"{queue} by {len(situation.readers[queue])}" for queue in needed)
    found = f"{bounded(len(situation.workers), COUNTED, 'worker')} alive: {read}"
    silent = list(WorkerProcess.objects.silent(conf().worker_lost_seconds)[:COUNTED])
    if silent:
        names = ", ".join(worker.name for worker in silent[:3])
        return warning(
            "workers",
            f"{found}; silent for more than {conf().worker_lost_seconds:g} s: {names}",
            "the relay gives them up by itself; if they are to live, see their logs",
        )
    return ok("workers", found)


def _unread(situation: Situation, unread: list[str]) -> Finding:
    told = ", ".join(_with_due(queue, situation.waiting.get(queue)) for queue in unread)
    nobody = "no worker is alive; " if not situation.workers else ""
    strange = [queue for queue in unread if queue not in current_app.amqp.queues]
    known = [queue for queue in unread if queue not in strange]
    cures = [f"type: manage.py worker --queues {','.join(known)}"] if known else []
    cures += [
        f"{queue} is no queue of this project: add it to CELERY_TASK_QUEUES and start a worker "
        "for it, or cancel its runs in the admin"
        for queue in strange
    ]
    return problem("workers", f"{nobody}nobody reads {told}", "; ".join(cures))


def _with_due(queue: str, waiting: Waiting | None) -> str:
    return f"{queue} ({bounded(waiting.runs, COUNTED, 'due run')})" if waiting else queue


def backlog(situation: Situation) -> Finding:
    """Nothing has been due for too long."""
    waiting = situation.waiting
    if not waiting:
        return ok("backlog", "nothing is due")
    told = "; ".join(_described(each) for each in waiting.values())
    late = [each for each in waiting.values() if _is_late(each)]
    if not late:
        return ok("backlog", told)
    names = ",".join(each.queue for each in late)
    urgent = any(each.queue == HIGH_PRIORITY_QUEUE for each in late)
    return Finding(
        probe="backlog",
        status=Status.PROBLEM if urgent else Status.WARNING,
        found=told,
        remedy=f"see that its workers work, or add one: manage.py worker --name more --queues "
        f"{names}",
    )


def _described(waiting: Waiting) -> str:
    runs = bounded(waiting.runs, COUNTED, "due run")
    return f"{waiting.queue}: {runs}, the oldest for {span(waiting.oldest_seconds)}"


def _is_late(waiting: Waiting) -> bool:
    patience = PATIENCE_SECONDS.get(waiting.queue, DEFAULT_PATIENCE_SECONDS)
    return waiting.oldest_seconds > patience
