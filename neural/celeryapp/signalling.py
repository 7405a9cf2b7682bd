"""What Celery says of a run: signals, the methods of its task, log lines.

Celery itself says it for the message's own run. For the runs that were executed in turn after it,
this module does: ``task_prerun`` and ``task_postrun`` around each of them, and that it succeeded or
failed when its outcome is on the disk.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import signals, states
from celery.app.task import Context
from celery.app.trace import TraceInfo
from celery.exceptions import Ignore, Retry

from neural.celeryapp.celery_view import request_of, was_delivered
from neural.ledger.outcome import Outcome
from neural.ledger.work import Replaced
from neural.ledger.work_errors import presentable
from neural.models import RunState, TaskRun

LIMITS = ("time_limit", "soft_time_limit")


def late_message() -> Ignore:
    """The exception for a message whose run is done, under way or not due.

    This holds whatever other runs the message led to. It is not a success to Celery: Celery would
    not cancel a later attempt of this id when it stops, and Flower would show a dead run as
    succeeded.
    """
    return Ignore("a late message: its run is done, under way or not due")


def as_celery_sees_it(outcome: Outcome | None) -> Any:
    """Return or raise what makes Celery log, count and trace the attempt for what it was."""
    if outcome is None:
        raise late_message()
    if isinstance(outcome.value, Replaced):
        raise outcome.value
    if outcome.state == RunState.SUCCEEDED:
        return outcome.value
    if outcome.state == RunState.DEAD and outcome.exception:
        raise presentable(outcome.exception)
    if outcome.due_at and isinstance(outcome.exception, Exception):
        raise Retry(outcome.error or None, presentable(outcome.exception), outcome.due_at)
    raise Ignore(outcome.error or "released")


def request_for(task: Any, run: TaskRun) -> dict[str, Any]:
    """The values of ``self.request`` for a run of the task: the run's own, and of the message at
    work what is not of another run alone."""
    message = dict(vars(task.request))
    delivered = {"redelivered": was_delivered(run), "priority": run.priority}
    message["delivery_info"] = {**(message.get("delivery_info") or {}), **delivered}
    properties = run.options.get("properties", {})
    message["properties"] = {**(message.get("properties") or {}), **properties}
    limits = [run.options.get(name, getattr(task, name)) for name in LIMITS]
    if task.request.id == run.task_id:
        return {**message, **request_of(run), "timelimit": limits}
    of_any = {name: value for name, value in message.items() if hasattr(type(task.request), name)}
    headers = run.options.get("headers") or {}
    own = {**request_of(run), "timelimit": limits, "correlation_id": run.task_id}
    return {**of_any, **headers, **own}


def begins(task: Any, run: TaskRun) -> None:
    """Send that a run begins."""
    with _requested(task, run):
        signals.task_prerun.send(sender=task, task_id=run.task_id, task=task, args=(), kwargs={})


def ends(task: Any, outcome: Outcome) -> None:
    """Send that a run was executed, before its outcome is known to last."""
    with _requested(task, outcome.run):
        state, value = _state_and_value(outcome)
        signals.task_postrun.send(
            sender=task,
            task_id=outcome.run.task_id,
            task=task,
            args=(),
            kwargs={},
            retval=value,
            state=state,
        )


def announce(task: Any, outcomes: Sequence[Outcome]) -> None:
    """Say of these runs that they succeeded, failed or are retried."""
    for outcome in outcomes:
        with _requested(task, outcome.run):
            _announce(task, outcome)


def _announce(task: Any, outcome: Outcome) -> None:
    state, value = _state_and_value(outcome)
    how: tuple[str, Any, Any] = (outcome.run.task_id, (), {})
    info = None
    if state == states.SUCCESS:
        task.on_success(value, *how)
        signals.task_success.send(sender=task, result=value)
    elif state in (states.FAILURE, states.RETRY):
        try:
            raise value
        except Exception:  # noqa: BLE001 (Celery reads what is being handled)
            info = TraceInfo(state, value).handle_error_state(
                task, task.request, call_errbacks=False
            )
    if state != states.IGNORED:
        task.after_return(state, value, *how, info)


def _state_and_value(outcome: Outcome) -> tuple[str, Any]:
    try:
        return states.SUCCESS, as_celery_sees_it(outcome)
    except Ignore as ignored:
        return states.IGNORED, ignored
    except Retry as retry:
        return states.RETRY, retry
    except Exception as error:  # noqa: BLE001 (the work's own)
        return states.FAILURE, error


@contextmanager
def _requested(task: Any, run: TaskRun) -> Iterator[None]:
    task.request_stack.push(Context(request_for(task, run), args=(), kwargs={}))
    try:
        yield
    finally:
        task.request_stack.pop()
