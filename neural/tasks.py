"""The Celery tasks: names, arguments and one domain call each."""

from collections.abc import Mapping, Sequence
from typing import Any

from celery import shared_task
from django.utils import timezone

from neural.analysis.analysing import ANALYSIS_TASK, analyse
from neural.events.execution import EventTask
from neural.events.recording import EVENT_TASK
from neural.events.submit import submit
from neural.runs import error_callbacks
from neural.runs.following import ERROR_CALLBACK_TASK, SEND_TASK, send
from neural.runs.routing import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.runs.task import LedgerTask


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


@shared_task(
    base=LedgerTask, name=ANALYSIS_TASK, run_queue=LOW_PRIORITY_QUEUE, run_priority=LOW_PRIORITY
)
def analyse_demand(store_id: str | None = None, since: str | None = None) -> dict[str, Any]:
    """Bring the summaries of demand up to date; returns what was done.

    Without ``store_id`` it asks for a run for each store. ``since`` is a day in ISO 8601:
    only its week and later ones are looked at.
    """
    return analyse(store_id=store_id, since=since, now=timezone.now())


@shared_task(base=LedgerTask, name=SEND_TASK)
def send_signature(
    following: Mapping[str, Any], args: Sequence[Any], options: Mapping[str, Any]
) -> str:
    """Send the message of a plain Celery task that follows a ledger task; returns its id."""
    return send(following, args, options)


@shared_task(base=LedgerTask, name=ERROR_CALLBACK_TASK)
def call_error_callback(callback: Mapping[str, Any], task_id: str) -> None:
    """Call an error callback of three arguments for the run that is dead."""
    error_callbacks.call(callback, task_id)
