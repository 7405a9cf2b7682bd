"""A run's message, as Celery makes and sends it."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from celery import current_app
from celery.exceptions import QueueNotFound
from kombu import Producer

RUN_HEADER = "neural_run"
CORRELATION_ID_BYTES = 255
# Of the task's own options. Not its expiry and not its priority: nobody would write down that
# a message was dropped, and on Redis 0 is most urgent.
_LIMITS = ("time_limit", "soft_time_limit")
_WRITTEN_AS = ("serializer", "compression", "delivery_mode")


class Ring(NamedTuple):
    """One message to send: the doorbell of a run."""

    task_id: str
    task: str
    queue: str
    shown_as: str = ""
    """What Flower and ``inspect`` show as the arguments."""
    options: Mapping[str, Any] = MappingProxyType({})
    """What each message of this run says beside its id (``neural.runs.options``)."""


def is_queue(name: str) -> bool:
    """Whether messages can be sent to this queue: it is configured, or made when missing."""
    settings = current_app.conf
    return bool(settings.task_create_missing_queues) or name in current_app.amqp.queues


def send(producer: Producer, ring: Ring, *, declare: bool) -> None:
    """Send one message, or raise QueueNotFound.

    Celery's own two steps, with its signals and events; but not its ``send_task``, which
    looks up routes, the result backend and the task at work for each message and so takes
    twice as long. The queue is declared only when asked.
    """
    amqp = current_app.amqp
    try:
        queue = amqp.queues[ring.queue]
    except KeyError as error:
        raise QueueNotFound(ring.queue) from error
    amqp.send_task_message(
        producer,
        ring.task,
        _message(ring),
        queue=queue,
        declare=[queue] if declare else [],
        headers={**ring.options.get("headers", {}), RUN_HEADER: True},
        retry=False,
        priority=None,
        correlation_id=_short(ring.task_id),
        **_of_task(ring.task, _WRITTEN_AS),
    )


def _message(ring: Ring) -> Any:
    options = {**_of_task(ring.task, _LIMITS), **ring.options}
    return current_app.amqp.create_task_message(
        ring.task_id,
        ring.task,
        argsrepr=ring.shown_as or "()",
        kwargsrepr="{}",
        ignore_result=True,
        reply_to=current_app.thread_oid,
        create_sent_event=current_app.conf.task_send_sent_event,
        **options,
    )


def _of_task(name: str, options: tuple[str, ...]) -> dict[str, Any]:
    task = current_app.tasks.get(name)
    asked = ((option, getattr(task, option, None)) for option in options)
    return {option: value for option, value in asked if value is not None}


def _short(task_id: str) -> str:
    """RabbitMQ's correlation id has room for 255 bytes, where a task id has characters."""
    is_short = len(task_id.encode()) <= CORRELATION_ID_BYTES
    return task_id if is_short else hashlib.sha256(task_id.encode()).hexdigest()
