"""Messages of runs that are done: acknowledged where they arrive.

A worker that takes a message takes along what else is due, so most later messages are late.
Through the pool each would cost a dispatch, Celery's tracing and a claim that finds nothing.
"""

import logging
from collections.abc import Sequence
from typing import Any

from celery import Task
from celery.worker import state, strategy

from neural.broker.connections import keep_client
from neural.broker.message import RUN_HEADER
from neural.ledger import dialects
from neural.ledger.outcome import Outcome
from neural.worker import event_stream
from neural.worker.done_runs import Done, DoneRuns

logger = logging.getLogger(__name__)

_done: DoneRuns | None = None


def prepare() -> None:
    """Make the memory, in a worker's main process before its pool is forked."""
    global _done
    _done = DoneRuns()


def forget() -> None:
    """The worker stops."""
    global _done
    _done = None


def note(outcomes: Sequence[Outcome], *, told: bool) -> None:
    """These are committed, and their own messages are still to come."""
    connection = dialects.ledger_connection()
    if _done is None or connection.in_atomic_block:
        return
    for outcome in outcomes:
        # A succeeded run never runs again. What is dead or waits does, under the same id.
        if outcome.succeeded:
            _done.remember(outcome.run.task_id, told=told)


def note_more(queue: str, more: bool) -> None:
    """Whether the latest delivery on this queue left due runs behind."""
    if _done is not None:
        _done.expect_more(queue, more=more)


def acknowledging(task: Task, app: Any, consumer: Any, **options: Any) -> Any:
    """Celery's strategy, the function that takes a task's messages in the main process; but
    a run's message that this worker has made superfluous is acknowledged at once.

    It goes to the pool all the same while the queue has more due runs than the last delivery
    took along: it brings a process to them.

    What is acknowledged here is no request. Revocation, rate limits and ``task_received``
    have nothing to say to it, ``inspect`` never sees it at work, and Celery logs neither
    'received' nor 'succeeded': the ledger's line of the run stands. It is counted (``inspect
    stats``, total), as its run was done by this worker, and the event stream hears 'received'
    and 'started', if it has been told of the run's success.
    """
    dispatch = strategy.default(task, app, consumer, **options)
    keep_client(consumer.connection.default_channel)

    def take(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        done = _known_as_done(message)
        if done is None:
            return dispatch(message, body, ack, reject, callbacks)
        ack(logger, consumer.connection_errors)
        state.total_count[task.name] += 1
        state.all_total_count[0] += 1
        if done.told:
            event_stream.tell_received(message, task=task, eventer=consumer.event_dispatcher)
        return None

    return take


def _known_as_done(message: Any) -> Done | None:
    if _done is None or not message.headers.get(RUN_HEADER):
        return None
    if _done.expects_more(str(message.delivery_info.get("routing_key") or "")):
        return None
    return _done.recall(str(message.headers.get("id")))
