"""What a worker does not do: it forwards work to a worker of another version, or keeps a refused
message as a dead letter.

**Forwarding.** During a rolling upgrade, old and new workers run side by side. Each records in its
row what it has registered (``registered_work``). A run of an unknown handler, task or event type is
released with a delay, and nothing is counted, as long as another live worker that reads its queue
knows it. If no worker does, the run waits ``unknown_work_seconds`` for one and is then dead. Work
that does not fit the schema or the signature here waits as long if another worker has a different
one; otherwise it is dead at once.

**Dead letters.** Of a refused message of a plain Celery client there is nobody to tell. So the run
that the message asked for is recorded as dead, with the reason as its error. It gets the message's
own id if that can be stored and is not taken, and the message's arguments if they can be stored,
else a part of them.
"""

import datetime as dt
import inspect
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from neural.broker.envelopes import PRINTED_LENGTH, printable
from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.kit.stored_json import NotStorable
from neural.ledger.outcome import Outcome
from neural.ledger.record import BY_MESSAGE, check_task_id
from neural.ledger.settle import note_settled
from neural.ledger.work import Snooze, WorkSource
from neural.ledger.work_errors import ERROR_LENGTH, describe
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun, WorkerProcess
from neural.runs.models.new_run import new_run, new_task_id
from neural.runs.models.run_log import logger, pairs

PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0

Registered = Mapping[str, Any]
"""What one worker knows: ``tasks`` and ``event_types`` with what they take, and ``handlers``."""
_MARKS: Mapping[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}
_CUT = "refused"
"""An option of a run that says: only a part of its arguments was kept, for people to read."""


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
    for outcome, attempt_error, started_at in attempts:
        if outcome == AttemptOutcome.FAILED:
            break
        if outcome == AttemptOutcome.RELEASED and attempt_error.startswith(f"{error}:"):
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
    return ", ".join(map(_parameter_text, signature.parameters.values())) if signature else ""


def _parameter_text(parameter: inspect.Parameter) -> str:
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


# Dead letters


class MessageRefused(PermanentError):
    """A message asked for something that cannot be done, however often it is sent."""


@dataclass(frozen=True, kw_only=True)
class RefusedCall:
    """A message that was refused."""

    task: str
    task_id: str
    sent_id: str
    """The id in the message, shortened. It is not ``task_id`` if it could not be one."""
    queue: str
    priority: int
    reason: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    content: str = ""
    """A readable form of a message that has no arguments to keep."""
    delivery_tag: str = ""


def keep_refused(refused: RefusedCall, also: Callable[[RefusedCall, TaskRun], object]) -> TaskRun:
    """Record the dead letter of a message, once however often the message comes, and log it.

    ``also`` is called in the same transaction, to keep more of the message. Returns the dead run.
    """
    run = _dead_run(refused)
    for task_id in _ids(refused):
        run.task_id, run.error = task_id, _error(refused, task_id)
        if _inserted(run, refused, also):
            break
    facts = {"run": run.task_id, "task": run.task, "queue": run.queue, "reason": run.error}
    # Not its arguments, which may be personal data.
    facts |= {"id": printable(refused.sent_id, 100)}
    logger.error("event=message_refused %s", pairs(facts))
    return run


def refuse_to_run(run: TaskRun) -> None:
    """Raise :class:`MessageRefused` for the run of a message of which only a part was kept."""
    if run.options.get(_CUT):
        raise MessageRefused(
            "the message was refused, and this is a part of it: have it sent again, mended"
        )


def _dead_run(refused: RefusedCall) -> TaskRun:
    if not refused.content:
        with suppress(NotStorable):
            return _row(refused, args=refused.args, kwargs=refused.kwargs)
    run = _row(refused, options={_CUT: True})
    run.kwargs = {"message": _arguments_text(refused)}
    return run


def _row(refused: RefusedCall, **what: Any) -> TaskRun:
    return new_run(
        task=refused.task,
        queue=refused.queue,
        priority=refused.priority,
        requested_by=BY_MESSAGE,
        **what,
    ).row(state=RunState.DEAD, finished_at=Now())


def _arguments_text(refused: RefusedCall, length: int = PRINTED_LENGTH) -> str:
    return printable(refused.content or f"{refused.args!r} {refused.kwargs!r}", length)


def _ids(refused: RefusedCall) -> Sequence[str]:
    """Candidates for the dead run's task id, in order.

    First the message's own, if it can be stored; then one computed from its content, so the same
    message is the same dead letter; then one that nothing else has.
    """
    parts = (refused.task, refused.delivery_tag, refused.sent_id, _arguments_text(refused))
    others = [str(uuid.uuid5(uuid.NAMESPACE_OID, printable(repr(parts), 4000))), new_task_id()]
    try:
        check_task_id(refused.task_id)
    except ValueError:
        return others
    return [refused.task_id, *others] if refused.task_id == refused.sent_id else others


def _error(refused: RefusedCall, task_id: str) -> str:
    is_its_own = task_id == refused.sent_id or not refused.sent_id
    sent_id_text = "" if is_its_own else f" (its id was {printable(repr(refused.sent_id), 100)})"
    reason = printable(refused.reason, ERROR_LENGTH - len(sent_id_text))
    return reason + sent_id_text


def _inserted(
    run: TaskRun, refused: RefusedCall, also: Callable[[RefusedCall, TaskRun], object]
) -> bool:
    """Whether this id is this message's now, or was before."""
    try:
        with transaction.atomic():
            TaskRun.objects.bulk_create([run])
            failed = AttemptOutcome.FAILED
            attempt = TaskAttempt.objects.create(
                run=run, outcome=failed, started_at=Now(), error=run.error
            )
            also(refused, run)
            note_settled([_outcome(attempt)])
    except IntegrityError:
        same = {"task": run.task, "error": run.error, "args": run.args, "kwargs": run.kwargs}
        return TaskRun.objects.filter(task_id=run.task_id, **same).exists()
    return True


def _outcome(attempt: TaskAttempt) -> Outcome:
    """The refusal as an outcome; the run neither waited nor ran."""
    attempt.run.available_at = attempt.finished_at
    return Outcome(
        run=attempt.run,
        state=RunState.DEAD,
        started_at=attempt.finished_at,
        finished_at=attempt.finished_at,
        attempt_outcome=AttemptOutcome.FAILED,
        error=attempt.error,
    )
