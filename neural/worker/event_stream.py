"""Sends Celery's event stream (Flower, ``celery events``) the outcomes of batched runs.

Celery sends events about messages: received, started, succeeded. A run that was batched with
another's message would be shown as started for ever, because its own message comes late and is
ignored. So the process that did the run sends its outcome. While nobody listens (workers without
``-E``, no Flower) it sends nothing. The worker's main process sends 'received' and 'started' for
the run's own message: Celery does so itself, and this app does so for a late message that it
acknowledges unread. Each is sent once for each run. Events may be lost, these too.
"""

from collections.abc import Sequence
from typing import Any

from celery import current_app
from celery.events import EventDispatcher
from celery.utils.saferepr import saferepr
from kombu import Producer

from neural.broker.publisher import BrokerUnavailable, publisher
from neural.ledger.outcome import Outcome
from neural.models import AttemptOutcome, RunState

LISTENED = "neural_listened"
"""Part of a message to the pool: whether somebody listens to events (see ``request``)."""


def send_events(outcomes: Sequence[Outcome], *, hostname: str | None) -> None:
    """Send an event for each outcome, all in one message. If the broker is down, none is sent."""
    events = [event for event in map(_event, outcomes) if event]

    def send(producer: Producer) -> None:
        dispatcher = EventDispatcher(
            producer.connection,
            channel=producer.channel,  # type: ignore[arg-type]
            hostname=hostname,
            app=current_app,
            buffer_group=["task"],
            buffer_limit=len(events) + 1,
        )
        for kind, fields in events:
            dispatcher.send(kind, **fields)
        dispatcher.flush(errors=False)

    if events:
        try:
            publisher().lend(send)
        except BrokerUnavailable:
            return  # the publisher has logged it


def _event(outcome: Outcome) -> tuple[str, dict[str, Any]] | None:
    run = outcome.run
    fields: dict[str, Any] = {"uuid": run.task_id, "name": run.task, "args": run.work_name}
    if outcome.state == RunState.SUCCEEDED:
        seconds = (outcome.finished_at - outcome.started_at).total_seconds()
        return "task-succeeded", {**fields, "result": saferepr(outcome.value), "runtime": seconds}
    fields |= {"exception": outcome.error, "traceback": outcome.traceback}
    if outcome.state == RunState.DEAD:
        return "task-failed", fields
    if outcome.attempt_outcome == AttemptOutcome.FAILED:
        return "task-retried", fields
    return None
