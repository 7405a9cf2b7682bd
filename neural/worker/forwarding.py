"""Forwarding: releases work that this worker cannot do to a worker of another version.

During a rolling upgrade, old and new workers run side by side. Each records in its row what it has
registered (``registered_work``). A run of an unknown handler, task or event type is released with a
delay, and nothing is counted, as long as another live worker that reads its queue knows it. If no
worker does, the run waits ``unknown_work_seconds`` for one and is then dead. Work that does not fit
the schema or the signature here waits as long if another worker has a different one; otherwise it
is dead at once.
"""

import datetime as dt
import inspect
import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from neural.conf import conf
from neural.errors import PermanentError
from neural.ledger.work import Snooze, WorkSource
from neural.ledger.work_errors import describe
from neural.models import AttemptOutcome, TaskRun, WorkerProcess

PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0

Registered = Mapping[str, Any]
"""What one worker knows: ``tasks`` and ``event_types`` with what they take, and ``handlers``."""


class Forwarded(Snooze):
    """This worker cannot do the work, but another one perhaps can.

    If ``is_first``, an attempt records why.
    """

    def __init__(self, seconds: float, *, why: str, is_first: bool = False) -> None:
        super().__init__(seconds)
        self.why = why
        self.is_first = is_first


def unknown_here(
    run: TaskRun, error: PermanentError, *, knows: Callable[[Registered], bool]
) -> Exception:
    """The exception to raise for work that is not registered here: Forwarded, or this error."""
    if somebody(run.queue, knows):
        seconds = PAUSE_SECONDS * random.uniform(0.5, 1.5)
        return Forwarded(seconds, why=f"{describe(error)}. Another worker knows it")
    return _waiting(run, error)


def unfit_here(
    run: TaskRun, error: PermanentError, *, differs: Callable[[Registered], bool]
) -> Exception:
    """The exception to raise for work that does not fit what is registered here."""
    return _waiting(run, error) if somebody(run.queue, differs) else error


def somebody(queue: str, knows: Callable[[Registered], bool]) -> bool:
    """Whether a live worker that reads this queue knows the work."""
    workers = WorkerProcess.objects.present().values_list("queues", "registered")
    return any(queue in queues and knows(registered or {}) for queues, registered in workers)


def _waiting(run: TaskRun, error: PermanentError) -> Exception:
    since = _forwarded_since(run, type(error).__name__)
    waited = (run.started_at - since).total_seconds() if since and run.started_at else 0.0
    if waited >= conf().unknown_work_seconds:
        return error
    pause = min(max(waited / 2, PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
    return Forwarded(pause, why=describe(error), is_first=since is None)


def _forwarded_since(run: TaskRun, error: str) -> dt.datetime | None:
    """When the first of the latest attempts that say so started.

    The search ends at a failed attempt, so a person's retry of a dead run starts a new wait.
    """
    attempts = run.attempts.order_by("-pk").values_list("outcome", "error", "started_at")
    since = None
    for outcome, said, started_at in attempts:
        if outcome == AttemptOutcome.FAILED:
            break
        if outcome == AttemptOutcome.RELEASED and said.startswith(f"{error}:"):
            since = started_at
    return since


# What a worker knows


def registered_work(app: Any) -> Registered:
    """What this process has registered, for its worker's row."""
    tasks = {name: task for name, task in app.tasks.items() if isinstance(task, WorkSource)}
    found: dict[str, Any] = {"tasks": {name: parameters(tasks[name]) for name in sorted(tasks)}}
    for task in tasks.values():
        found |= task.registered()
    return found


def parameters(task: Any) -> str:
    """The parameters of a task as text, such as ``store_id=, *rest``."""
    signature = signature_of(task)
    return ", ".join(map(_told, signature.parameters.values())) if signature else ""


_MARKS: Mapping[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def _told(parameter: inspect.Parameter) -> str:
    has_default = parameter.default is not inspect.Parameter.empty
    return f"{_MARKS.get(parameter.kind, '')}{parameter.name}{'=' if has_default else ''}"


def signature_of(task: Any) -> inspect.Signature | None:
    """The signature of the function behind a task; None if Python does not know it."""
    return _signature(getattr(task, "_orig_run", task.run))


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None
