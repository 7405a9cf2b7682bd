"""A ledger task's message in the worker's main process: Celery's ``Request`` and ``Strategy``.

Celery sends events about a message that goes to the pool. For a late message, which is acknowledged
on arrival, this module sends them.
"""

import logging
from typing import Any

from celery import Task
from celery.platforms import signals
from celery.worker import state, strategy
from celery.worker.request import Request

from neural.broker.connections import keep_client
from neural.worker import delivery
from neural.worker.delivery import LISTENED, RATE_LIMITED
from neural.worker.ending import heeded

logger = logging.getLogger(__name__)


class LedgerRequest(Request):
    """A message in the worker's main process.

    Only that process knows whether events are on, and rate limits, so each message tells the pool.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.request_dict[LISTENED] = _sends_task_events(self.eventer)
        self.request_dict[RATE_LIMITED] = bool(self.task.rate_limit)

    def info(self, safe: bool = False) -> Any:
        """What ``celery inspect`` shows: the run's arguments, which are not in the message."""
        return super().info(safe=True)

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End the request's process, for ``celery control terminate SIGTERM <id>``."""
        super().terminate(pool, signal=signals.signum(heeded(signal)))


def _sends_task_events(eventer: Any) -> bool:
    return bool(eventer and eventer.enabled and "task" in (eventer.groups or ("task",)))


def send_received(message: Any, *, task: Task, eventer: Any) -> None:
    """Send Celery's events 'received' and 'started' for a message that never goes to the pool."""
    if not (_sends_task_events(eventer) and task.send_events):
        return
    headers = message.headers
    eventer.send(
        "task-received",
        uuid=headers["id"],
        name=headers["task"],
        args=headers.get("argsrepr"),
        kwargs=headers.get("kwargsrepr"),
        root_id=headers.get("root_id"),
        parent_id=headers.get("parent_id"),
        retries=headers.get("retries", 0),
        eta=None,
        expires=None,
    )
    eventer.send("task-started", uuid=headers["id"])


def acknowledging(task: Task, app: Any, consumer: Any, **options: Any) -> Any:
    """Celery's strategy (it makes the function that takes a task's messages in the main process).

    Unlike Celery's own, it acknowledges at once a run's message that this worker has made
    superfluous. Such a message still goes to the pool while the queue has more due runs than the
    last delivery claimed, because it leads a process to them.

    A message acknowledged here never becomes a request. Revocation, rate limits and
    ``task_received`` do not apply to it, ``inspect`` never shows it as active, and Celery logs
    neither 'received' nor 'succeeded'; the ledger has logged the run. It is counted (``inspect
    stats``, total), because this worker did its run. The event stream gets 'received' and 'started'
    if it has been sent the run's success.
    """
    dispatch = strategy.default(task, app, consumer, **options)
    keep_client(consumer.connection.default_channel)

    def take(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        done = delivery.known_as_done(message)
        if done is None:
            return dispatch(message, body, ack, reject, callbacks)
        ack(logger, consumer.connection_errors)
        state.total_count[task.name] += 1
        state.all_total_count[0] += 1
        if done.streamed:
            send_received(message, task=task, eventer=consumer.event_dispatcher)
        return None

    return take
