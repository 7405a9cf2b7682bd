"""Submitting an event as a Celery task call: ``process_neural_event.apply_async(kwargs=…)``.

It behaves as :func:`neural.submit`: the same checks, the same duplicates, the same queues. A
refusal is raised here, in the caller, and not later in a worker.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction

from neural.celeryapp.options import aware
from neural.events import recording
from neural.events.answers import EventRefused, InvalidEvent, Problem, Submission
from neural.events.kept import LEFT_OUT, kept_of
from neural.events.new_event import NewEvent, StoreClocks, validate_event
from neural.events.refusals import Refusal, keep, refusal_of, refusal_of_new_event
from neural.ledger.clock import database_clock
from neural.ledger.record import BY_MESSAGE, TaskIdTaken, check_task_id
from neural.models import EntryPoint

_NAMES = {
    "event_id": "event_id",
    "event_type": "type",
    "event_source": "source",
    "store_id": "store",
    "data": "payload",
    "priority": "priority",
}


def submit_call(
    *,
    arguments: Mapping[str, Any],
    task_id: str | None,
    due_at: dt.datetime | None,
    options: Mapping[str, Any],
    parent: str = "",
    requested_by: str = "",
    **overrides: Any,
) -> Submission:
    """Record the event that a call of ``process_neural_event`` stands for, and return the answer.

    ``arguments`` are the task's by name; ``overrides`` (queue, priority) outrank them. The event's
    first run gets the task id. Raises :class:`EventRefused` or :class:`TaskIdTaken`.
    """
    if task_id is not None:
        check_task_id(task_id)
    request = {_NAMES[name]: value for name, value in arguments.items()}
    request |= {name: value for name, value in overrides.items() if value is not None}
    asker = requested_by or "celery"
    try:
        new_event = validate_event(request, StoreClocks(), backfill=False, requested_by=asker)
    except InvalidEvent as refused:
        _keep(refusal_of(request, refused.problems), asker)
        raise EventRefused(refused.problems) from refused
    new_event = replace(new_event, task_id=task_id, due_at=due_at, options=options, parent=parent)
    answer = _record(new_event)
    if answer.is_refused:
        _keep(refusal_of_new_event(new_event, answer.problems), asker)
    answer.or_raise()
    return answer


def refuse_message(arguments: Mapping[str, Any], reason: str) -> EventRefused:
    """Record a plain client's message that is no valid call of this task, and return its refusal.

    The refused event has as much as the message's arguments (by name) contain.
    """
    problem = Problem("event", reason)
    request = {name: arguments[given] for given, name in _NAMES.items() if given in arguments}
    refusal = refusal_of(request, [problem])
    keep([refusal], entry_point=EntryPoint.MESSAGE, requested_by=BY_MESSAGE)
    return EventRefused([problem])


def kept_argument(name: str | None, value: Any, type_name: str) -> Any:
    """What is kept of one argument of a plain client's message: all of it, unless the event's type
    leaves something out. The payload may stand anywhere in a call that is not valid, so whatever is
    not one of the texts and numbers that belong beside it is taken for one."""
    if _NAMES.get(name or "", "payload") != "payload" and isinstance(value, str | int | None):
        return value
    try:
        return kept_of(type_name, value)
    except Exception:  # noqa: BLE001 (of an app's function; the message must not be lost)
        return LEFT_OUT


def _keep(refusal: Refusal, asker: str) -> None:
    keep([refusal], entry_point=EntryPoint.CELERY, requested_by=asker)


def _record(new_event: NewEvent) -> Submission:
    if new_event.task_id is None:
        return recording.record([new_event])[0]
    try:
        with transaction.atomic():  # a savepoint: the caller's transaction continues
            return recording.record([new_event])[0]
    except IntegrityError as error:
        raise TaskIdTaken(f"task id {new_event.task_id!r} was recorded before") from error


def due_time(countdown: float | None, eta: dt.datetime | None) -> dt.datetime | None:
    """When a call's run is due, or None for at once. ``countdown`` is in seconds."""
    if eta is not None:
        return aware(eta)
    return database_clock() + dt.timedelta(seconds=countdown) if countdown else None
