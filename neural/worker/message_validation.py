"""Validates every message in the worker's main process, before Celery does anything with it.

**A message that would end that process** is refused: it is rejected without going back to its
queue, and one line is logged. If it is for a ledger task, a substitute goes to the pool, which has
a database and keeps the refusal as a dead letter before the broker forgets the message.

**A message of a task that this worker has not registered** may be one for another worker, during a
rolling upgrade. Celery would log it, discard it and store a failure under its id. The message of a
run is no longer needed once its id is read: the run is forwarded (see ``neural.worker.refusing``).
The message of a plain Celery client is the only record of its call. So it goes back to its queue
as long as a live worker that reads the queue has the task on its ledger; otherwise it is kept as a
dead letter. The consumer must not wait for the database, so the relay's thread does both, once a
turn.

Every worker of this process validates this way, whatever its application (``worker_init``), by a
subclass of its configured consumer. Written for Celery 5.7.0 and billiard 4.3.2.
"""

import logging
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from celery import signals
from celery.app.task import Context
from celery.utils.imports import symbol_by_name
from celery.utils.time import maybe_iso8601, maybe_make_aware, timezone
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.consumer.consumer import UNKNOWN_TASK_ERROR  # type: ignore[attr-defined]
from django.db import InterfaceError, OperationalError, transaction

from neural import queues
from neural.broker import envelopes
from neural.broker.envelopes import (
    REFUSED_HEADER,
    Substitute,
    Unsound,
    call_of,
    content_of,
    described,
    headers_of,
    name_of,
    printable,
    refusal_in,
    settled,
    substitute_for,
)
from neural.broker.message import RUN_HEADER, is_queue
from neural.broker.patches import Method, replace
from neural.kit.errors import PermanentError
from neural.kit.optional import absent_app_advice
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.ledger.work import Work, WorkSource
from neural.ledger.work_errors import describe
from neural.models import TaskRun
from neural.runs.models.run_log import pairs
from neural.worker import refusing
from neural.worker.refusing import RefusedCall, keep_refused

logger = logging.getLogger(__name__)

_METHODS = frozenset(name for name in dir(Context) if callable(getattr(Context, name)))
RUNS_A_TURN = 50
TASK_LENGTH = 255
_runs: deque[str] = deque(maxlen=1000)  # a run that falls out gets its next message by its lease
_held: deque["Held"] = deque()


def begin(*, sender: Any, **_: Any) -> None:
    """Put the validation into a worker that begins."""
    take_unknown_tasks()
    configured = symbol_by_name(sender.consumer_cls)
    sender.consumer_cls = type("GuardedConsumer", (ValidatingConsumer, configured), {})
    dispatch = sender._process_task

    def dispatch_or_refuse(request: Any) -> None:
        try:
            dispatch(request)
        except Exception as error:  # noqa: BLE001 (whatever it is, this request caused it)
            _forget(request, sender)
            reason = f"it cannot be sent to the pool: {name_of(error)}"
            sender.consumer.refuse(request.message, reason)

    sender._process_task = dispatch_or_refuse


def _forget(request: Any, worker: Any) -> None:
    """Free the request's slot, as Celery does for one that was revoked at the last moment.

    billiard's pool also forgets the job, which it was never given: a stop would wait for it.
    """
    state.task_ready(request)
    jobs = getattr(getattr(worker.pool, "_pool", None), "_cache", {})
    for key, job in list(jobs.items()):
        is_its = getattr(job, "correlation_id", None) == request.id
        if is_its and getattr(job, "_payload", None) is None:
            del jobs[key]
    if hasattr(worker, "_quick_release"):
        worker._quick_release()


class ValidatingConsumer:
    """The part of a worker's consumer that validates messages."""

    app: Any
    strategies: Mapping[str, Any]
    connection_errors: tuple[type[Exception], ...]
    on_unknown_task: Any

    def create_task_handler(self, *arguments: Any, **options: Any) -> Any:
        """Celery's hook: the function that takes each message, in the worker's main process."""
        take = super().create_task_handler(*arguments, **options)  # type: ignore[misc]
        self._take = take
        # For kombu's Redis transport a KeyError means that the broker is lost. Here it means that a
        # message lacks a key.
        away = tuple(each for each in self.connection_errors if not issubclass(KeyError, each))

        def on_task_received(message: Any) -> Any:
            try:
                self.check(message)
                if name := self._named_by_a_run_alone(message):
                    return self.on_unknown_task(None, message, KeyError(name))
                return take(message)
            except away:
                raise
            except Unsound as unsound:
                self.refuse(message, str(unsound))
            except Exception as error:  # noqa: BLE001 (whatever it is, this message caused it)
                self.refuse(message, name_of(error))
            return None

        return on_task_received

    def _named_by_a_run_alone(self, message: Any) -> str:
        """The task of a run that is a plain task here, else an empty text. Celery would call the
        task without the run's arguments, which only the ledger has."""
        headers = headers_of(message)
        name = str(headers["task"]) if headers.get(RUN_HEADER) else ""
        is_plain = name in self.strategies and not isinstance(self.app.tasks[name], WorkSource)
        return name if is_plain else ""

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Celery's hook for a message that cannot be decoded at all."""
        self.refuse(message, f"it cannot be read: {name_of(exc)}")

    # Celery's own would log the body and the headers, with a guest's name and address.

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Celery's hook for a message that is of no task."""
        self.refuse(message, "it is no message of a task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Celery's hook for a message that its task's strategy refuses."""
        self.refuse(message, name_of(exc))

    def check(self, message: Any) -> None:
        """Raise :class:`~neural.broker.envelopes.Unsound` if the message would end the worker."""
        headers = message.headers
        if not isinstance(headers, Mapping):
            raise Unsound("its headers are no object")
        if REFUSED_HEADER in headers:
            raise Unsound(refusal_in(headers)["reason"])
        envelopes.check_outside(headers, message.properties)
        own = headers_of(message)
        envelopes.check_headers(own, self._moment)
        if own["task"] in self.strategies:  # Celery reports unknown tasks itself
            self._check_content(message, own)

    def _check_content(self, message: Any, headers: Mapping[str, Any]) -> None:
        args, kwargs, embed = content_of(message)
        envelopes.check_depth((args, kwargs, embed), message.body)
        if isinstance(self.app.tasks[headers["task"]], WorkSource):
            envelopes.check_call(args, kwargs)
            envelopes.check_run(headers, embed or {}, _METHODS)

    def _moment(self, value: Any) -> Any:
        read = maybe_iso8601(value)
        return read and timezone.to_system(maybe_make_aware(read, self.app.conf.timezone))

    def refuse(self, message: Any, reason: str) -> None:
        """Reject a message, and keep as much of it as possible."""
        try:
            if self._asks_for_a_run(message):
                self._let_it_be_kept(message, reason)
                return
        except Exception as error:  # noqa: BLE001 (what cannot be kept is logged)
            reason = f"{reason}, nor could it be kept: {name_of(error)}"
        logger.error("event=message_refused %s", pairs(described(message, reason)))
        self._reject(message)

    def _let_it_be_kept(self, message: Any, reason: str) -> None:
        task = headers_of(message)["task"]
        substitute = substitute_for(message, task=task, reason=reason)
        settled(message)
        try:
            self._take(substitute)
        except Exception:
            settled(substitute)
            raise

    def _asks_for_a_run(self, message: Any) -> bool:
        """Whether the refusal becomes a dead letter. The message of a run does not need one."""
        headers = headers_of(message)
        name = headers.get("task")
        task = self.app.tasks.get(name) if isinstance(name, str) else None
        is_run = bool(headers.get(RUN_HEADER)) or isinstance(message, Substitute)
        return isinstance(task, WorkSource) and not is_run

    def _reject(self, message: Any) -> None:
        if not getattr(message, "acknowledged", False):
            message.channel.basic_reject(message.delivery_tag, requeue=False)
        settled(message)
        signals.task_rejected.send(sender=self, message=message, exc=None)


# Unknown tasks


class TaskUnknown(PermanentError):
    """A run or a message names a task that no installed app registers on the ledger."""

    def __init__(self, task: str) -> None:
        advice = absent_app_advice(task)
        super().__init__(
            f"the task {task} {advice}"
            if advice
            else f"no installed app registers the task {task!r} on the ledger; retry when one does"
        )


class Held(NamedTuple):
    """A plain client's message, held unacknowledged until the relay's thread decides about it."""

    consumer: Any
    message: Any
    task: str
    drop: Any
    """What Celery does with such a message."""


def take_unknown_tasks() -> None:
    """Patch Celery's consumer, once."""
    replace(Consumer, "on_unknown_task", _taking)
    # It quotes the message, of which keep_refused has told already.
    logging.getLogger(Consumer.__module__).addFilter(lambda it: it.msg != UNKNOWN_TASK_ERROR)


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
        raise refusing.unknown_here(
            run, TaskUnknown(run.task), knows=lambda known: run.task in known.get("tasks", ())
        )


def _decide(held: Held) -> None:
    """Return a message, or keep it as a dead letter and drop it. What is done to the message is
    done in the consumer's thread, which owns its channel."""
    queue = str((held.message.delivery_info or {}).get("routing_key") or "")
    if refusing.somebody(queue, lambda known: held.task in known.get("tasks", ())):
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
        sent_id=printable(task_id),
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
