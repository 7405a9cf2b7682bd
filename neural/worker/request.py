"""A message of a ledger task in the worker's main process: Celery's ``Request`` and ``Strategy``.

Of a message that goes to the pool Celery tells its event stream; of a late one, which is
acknowledged where it arrives, this does.
"""

import logging
from typing import Any

from celery import Task
from celery.platforms import signals
from celery.worker import state, strategy
from celery.worker.request import Request

from neural.broker.connections import keep_client
from neural.worker import late_messages
from neural.worker.ending import heeded
from neural.worker.event_stream import LISTENED

logger = logging.getLogger(__name__)


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


def send_received(message: Any, *, task: Task, eventer: Any) -> None:
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


def acknowledging(task: Task, app: Any, consumer: Any, **options: Any) -> Any:
    """Celery's strategy, the function that takes a task's messages in the main process; but
    a run's message that this worker has made superfluous is acknowledged at once.

    It goes to the pool all the same while the queue has more due runs than the last delivery
    claimed: it brings a process to them.

    What is acknowledged here is no request. Revocation, rate limits and ``task_received``
    have nothing to say to it, ``inspect`` never sees it at work, and Celery logs neither
    'received' nor 'succeeded': the ledger's line of the run stands. It is counted (``inspect
    stats``, total), as its run was done by this worker, and the event stream hears 'received'
    and 'started', if it has been told of the run's success.
    """
    dispatch = strategy.default(task, app, consumer, **options)
    keep_client(consumer.connection.default_channel)

    def take(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        done = late_messages.known_as_done(message)
        if done is None:
            return dispatch(message, body, ack, reject, callbacks)
        ack(logger, consumer.connection_errors)
        state.total_count[task.name] += 1
        state.all_total_count[0] += 1
        if done.streamed:
            send_received(message, task=task, eventer=consumer.event_dispatcher)
        return None

    return take
