"""Submitting an event as a Celery task call: ``process_neural_event.apply_async(kwargs=…)``.

The same door as :func:`neural.submit`: the same checks, the same duplicates, the same
queues. What is refused is refused here, to the caller, and not later in a worker.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from neural.events import recording
from neural.events.answers import EventRefused, Submission
from neural.events.draft import Refused, StoreClocks, draft_event
from neural.models import TaskRun
from neural.runs.enqueue import TaskIdTaken

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
    **overrides: Any,
) -> Submission:
    """Record the event that a call of ``process_neural_event`` stands for.

    ``arguments`` are the task's by name; ``overrides`` (queue, priority) outrank them. Its
    first run gets the task id. Raises :class:`EventRefused` or :class:`TaskIdTaken`.
    """
    request = {_NAMES[name]: value for name, value in arguments.items()}
    request |= {name: value for name, value in overrides.items() if value is not None}
    try:
        draft = draft_event(request, StoreClocks(), backfill=False, requested_by="celery")
    except Refused as refused:
        raise EventRefused(refused.problems) from refused
    draft = replace(draft, task_id=task_id, due_at=due_at, options=options)
    try:
        answer = recording.record([draft])[0]
    except IntegrityError as error:
        if task_id and TaskRun.objects.filter(task_id=task_id).exists():
            raise TaskIdTaken(f"task id {task_id!r} was recorded before") from error
        raise
    answer.or_raise()
    return answer


def due_time(countdown: float | None, eta: dt.datetime | None) -> dt.datetime | None:
    """When a call's run is due, or None for at once."""
    if eta is not None:
        return eta if eta.tzinfo else eta.replace(tzinfo=dt.UTC)
    return timezone.now() + dt.timedelta(seconds=countdown) if countdown else None
