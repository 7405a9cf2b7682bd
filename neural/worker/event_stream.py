"""Celery's event stream (Flower, ``celery events``) and the runs that were taken along.

Celery sends events about messages: received, started, succeeded. A run that was done along
with another's message would stand there as started for ever, because its own message comes
late and is ignored. So the process that did it says what became of it; while nobody listens
(workers without ``-E``, no Flower) it says nothing. Of its message the worker's main process
says received and started, by Celery's own hand or, where it acknowledges a late message
unread, by ours: each is heard once for each run. Events are lossy, these too.
"""

from collections.abc import Sequence
from typing import Any

from celery import Task, current_app
from celery.events import EventDispatcher
from celery.platforms import signals
from celery.utils.saferepr import saferepr
from celery.worker.request import Request
from kombu import Producer

from neural.broker.publisher import BrokerUnavailable, publisher
from neural.ledger.outcome import Outcome
from neural.models import RunState, TryOutcome
from neural.worker.ending import heeded

LISTENED = "neural_listened"


class LedgerRequest(Request):
    """A message in the worker's main process, which alone knows whether events are on: its
    pool learns it with each message."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.request_dict[LISTENED] = _sends_task_events(self.eventer)

    def info(self, safe: bool = False) -> Any:
        """``celery inspect``: the run's arguments, of which the message itself has none."""
        return super().info(safe=True)

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """As a person asked for it: ``celery control terminate SIGTERM <id>``."""
        super().terminate(pool, signal=signals.signum(heeded(signal)))


def _sends_task_events(eventer: Any) -> bool:
    return bool(eventer and eventer.enabled and "task" in (eventer.groups or ("task",)))


def tell_received(message: Any, *, task: Task, eventer: Any) -> None:
    """What Celery says of a message on its way to the pool, for one that never goes there."""
    if not (_sends_task_events(eventer) and task.send_events):
        return
    said = message.headers
    eventer.send(
        "task-received",
        uuid=said["id"],
        name=said["task"],
        args=said.get("argsrepr"),
        kwargs=said.get("kwargsrepr"),
        root_id=said.get("root_id"),
        parent_id=said.get("parent_id"),
        retries=said.get("retries", 0),
        eta=None,
        expires=None,
    )
    eventer.send("task-started", uuid=said["id"])


def tell(outcomes: Sequence[Outcome], *, hostname: str | None) -> None:
    """Send an event for each outcome, all in one message. A broker that is away hears none."""
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
            return  # the publisher has said so


def _event(outcome: Outcome) -> tuple[str, dict[str, Any]] | None:
    run = outcome.run
    fields: dict[str, Any] = {"uuid": run.task_id, "name": run.task, "args": run.work_name}
    if outcome.state == RunState.SUCCEEDED:
        seconds = (outcome.finished_at - outcome.started_at).total_seconds()
        return "task-succeeded", {**fields, "result": saferepr(outcome.value), "runtime": seconds}
    fields |= {"exception": outcome.error, "traceback": outcome.traceback}
    if outcome.state == RunState.DEAD:
        return "task-failed", fields
    if outcome.try_outcome == TryOutcome.FAILED:
        return "task-retried", fields
    return None
