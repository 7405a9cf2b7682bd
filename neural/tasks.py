"""The Celery tasks: names, arguments and one domain call each."""

from collections.abc import Mapping
from typing import Any

from celery import shared_task

from neural.events.execution import EventTask
from neural.events.recording import EVENT_TASK
from neural.events.submit import submit


@shared_task(base=EventTask, name=EVENT_TASK)
def process_neural_event(
    event_id: str,
    event_type: str,
    event_source: str,
    store_id: str,
    data: Mapping[str, Any],
    priority: int | None = None,
) -> str:
    """Submit an event that came as a message; returns 'new' or 'duplicate'.

    The runs of recorded events are messages of this task too; those call the event's
    handler instead of this body.
    """
    answer = submit(
        type=event_type,
        store=store_id,
        source=event_source,
        event_id=event_id,
        payload=data,
        priority=priority,
        requested_by="celery message",
    )
    answer.or_raise()
    return str(answer.verdict)
