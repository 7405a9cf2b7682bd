"""Messages of runs that are done: acknowledged where they arrive.

A worker that takes a message takes along what else is due, so most later messages are late.
Through the pool each would cost a dispatch, Celery's tracing and a claim that finds nothing.
"""

from collections.abc import Sequence
from typing import Any

from neural.broker.message import RUN_HEADER
from neural.ledger import dialects
from neural.ledger.outcome import Outcome
from neural.worker.done_runs import Done, DoneRuns

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


def known_as_done(message: Any) -> Done | None:
    """What is known of a run's message, if it need not go to the pool."""
    if _done is None or not message.headers.get(RUN_HEADER):
        return None
    if _done.expects_more(str(message.delivery_info.get("routing_key") or "")):
        return None
    return _done.recall(str(message.headers.get("id")))
