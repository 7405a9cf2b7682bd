"""Messages of tasks that this worker has not registered.

Celery logs such a message, discards it and stores a failure under its id. During a rolling upgrade
it may be a message for another worker. The message of a run is no longer needed once its id is
read: the run is forwarded (see ``neural.worker.forwarding``). The message of a plain Celery client
is the only record of its call. So it goes back to its queue as long as a live worker that reads the
queue has the task on its ledger; otherwise it is kept as a dead letter.

The consumer must not wait for the database, so the relay's thread does both, once a turn.
"""

import logging
from collections import deque
from functools import partial
from typing import Any, NamedTuple

from celery.worker.consumer import Consumer
from django.db import InterfaceError, OperationalError, transaction

from neural import queues
from neural.broker.envelopes import call_of, headers_of, printable
from neural.broker.message import RUN_HEADER, is_queue
from neural.broker.patches import Method, replace
from neural.errors import PermanentError
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.ledger.work import Work, WorkSource
from neural.ledger.work_errors import describe
from neural.models import TaskRun
from neural.optional import said_of_an_absent_task
from neural.worker import forwarding
from neural.worker.refusing import RefusedCall, keep_refused

logger = logging.getLogger(__name__)

RUNS_A_TURN = 50
TASK_LENGTH = 255


class TaskUnknown(PermanentError):
    """A run or a message names a task that no installed app registers on the ledger."""

    def __init__(self, task: str) -> None:
        said = said_of_an_absent_task(task)
        super().__init__(
            f"the task {task} {said}"
            if said
            else f"no installed app registers the task {task!r} on the ledger; retry when one does"
        )


class Held(NamedTuple):
    """A plain client's message, held unacknowledged until the relay's thread decides about it."""

    consumer: Any
    message: Any
    task: str
    drop: Any
    """What Celery does with such a message."""


_runs: deque[str] = deque(maxlen=1000)  # a run that falls out gets its next message by its lease
_held: deque[Held] = deque()


def begin(**_: Any) -> None:
    """Patch Celery's consumer, once."""
    replace(Consumer, "on_unknown_task", _taking)


def _taking(original: Method) -> Method:
    def on_unknown_task(self: Any, body: Any, message: Any, exc: Any) -> None:
        _take(self, message, str(exc.args[0]), partial(original, self, body, message, exc))

    return on_unknown_task


def _take(consumer: Any, message: Any, task: str, drop: Any) -> None:
    headers = message.headers or {}
    if not headers.get(RUN_HEADER):
        _held.append(Held(consumer, message, task, drop))
        return
    logger.info("event=task_unknown task=%s run=%s", task, headers.get("id"))
    _runs.append(str(headers.get("id")))
    message.ack_log_error(logger, consumer.connection_errors)


def see_to_unknown_tasks(claimant: Claimant) -> None:
    """Forward the runs, and return or drop the messages, that came since the last turn."""
    for _ in range(min(len(_runs), RUNS_A_TURN)):
        _hand_on(_runs.popleft(), claimant)
    for _ in range(len(_held)):
        held = _held.popleft()
        try:
            _decide(held)
        except (OperationalError, InterfaceError):
            _held.append(held)
            raise


def _hand_on(task_id: str, claimant: Claimant) -> None:
    """Forward a run in one transaction: if that fails, it is pending and gets its next message."""
    with transaction.atomic():
        if runs := claim(task_id=task_id, claimant=claimant):
            run_claimed(_Unregistered(), runs)


class _Unregistered(WorkSource):
    """The work source of a run whose task is not registered."""

    def work_for(self, run: TaskRun) -> Work:
        raise forwarding.unknown_here(
            run, TaskUnknown(run.task), knows=lambda known: run.task in known.get("tasks", ())
        )


def _decide(held: Held) -> None:
    """Return a message, or keep it as a dead letter and drop it. What is done to the message is
    done in the consumer's thread, which owns its channel."""
    queue = str((held.message.delivery_info or {}).get("routing_key") or "")
    if forwarding.somebody(queue, lambda known: held.task in known.get("tasks", ())):
        logger.info("event=task_unknown task=%s queue=%s given_back=yes", held.task, queue)
        errors = held.consumer.connection_errors
        held.consumer.call_soon(held.message.reject_log_error, logger, errors, requeue=True)
    else:
        keep_refused(_refused(held, queue), also=lambda *_: None)
        held.consumer.call_soon(_drop, held)


def _refused(held: Held, queue: str) -> RefusedCall:
    task, call = printable(held.task, TASK_LENGTH), call_of(held.message)
    task_id = headers_of(held.message).get("id") or ""
    args, kwargs = call or ((), {})
    return RefusedCall(
        task=task,
        task_id=str(task_id),
        said_id=printable(task_id),
        queue=queue if is_queue(queue) else queues.queue_of(task) or queues.DEFAULT_QUEUE,
        priority=queues.priority_of(task),
        reason=describe(TaskUnknown(task)),
        args=args,
        kwargs=kwargs,
        content="" if call else printable(held.message.body),
        delivery_tag=str(held.message.delivery_tag),
    )


def _drop(held: Held) -> None:
    """Drop a message. Its content must not end the worker: no caller expects an exception."""
    try:
        held.drop()
    except Exception as error:  # noqa: BLE001 (whatever it is, this message caused it)
        logger.error("event=message_dropped task=%s error=%r", held.task, str(error))
        held.message.reject_log_error(logger, held.consumer.connection_errors)
