"""The task for events' runs: it calls the run's handler with the event and its data.

A plain Celery client that calls it submits an event (:func:`submit_call`).
"""

import asyncio
import datetime as dt
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from celery.result import AsyncResult
from django.db import IntegrityError, transaction

from neural.batches import awaited
from neural.celeryapp import chords
from neural.celeryapp.call import aware
from neural.celeryapp.task import ArgumentsUnfit, LedgerTask, run_to_its_end
from neural.events import recording
from neural.events.answers import EventPruned, EventRefused, InvalidEvent, Problem, Submission
from neural.events.new_event import NewEvent, StoreClocks, validate_event
from neural.events.redaction import LEFT_OUT, as_text, kept_of, kept_of_unread
from neural.events.refusals import Refusal, keep, refusal_of, refusal_of_new_event
from neural.events.registry import (
    HANDLERS,
    Handler,
    HandlerUnknown,
    Received,
    atomic_handler_names,
    handler,
    handler_names,
)
from neural.events.types import (
    TYPES,
    EventTypeUnknown,
    byte_limit,
    event_type,
    event_types,
    fingerprint,
)
from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.ledger.clock import database_clock
from neural.ledger.record import BY_MESSAGE, TaskIdTaken, check_task_id
from neural.ledger.work import Batch, Work, default_retry
from neural.models import AwaitedState, EntryPoint, NeuralEvent, TaskRun
from neural.runs.models.new_run import is_frozen, new_task_id
from neural.worker.delivery import InTurn
from neural.worker.refusing import RefusedCall, unfit_here, unknown_here

if TYPE_CHECKING:
    from pydantic import ValidationError


# Celery's JSON may have three bytes for one of the payload's; the rest is for the other arguments.
_BYTES_PER_PAYLOAD_BYTE, _OTHER_BYTES = 3, 4096
_NAMES = {
    "event_id": "event_id",
    "event_type": "type",
    "event_source": "source",
    "store_id": "store",
    "data": "payload",
    "priority": "priority",
}


class PayloadUnfit(PermanentError):
    """An event was recorded under another schema, and does not fit today's."""


class EventTask(LedgerTask):
    """The task of the runs of event handlers."""

    abstract = True
    is_one_run = False

    def apply_async(  # type: ignore[override]
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        countdown: float | None = None,
        eta: dt.datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        requested_by: str = "",
        headers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Submit the event; its type decides the queue unless ``queue`` does.

        ``priority`` (1 to 10) orders within the queue and outranks the argument of that name. The
        result is that of the event's first run; an event that nobody handles has none. Links and a
        chain follow that run. They are not started if the event was recorded before. To a chord,
        an event without a run of this call is one that has ended, with None.
        """
        arguments = inspect.signature(self.run).bind(*(args or ()), **(kwargs or {})).arguments
        parent, stored = self._family(options, headers)
        if batch_id := chords.batch_of(options):
            stored[chords.AWAITED_BY] = batch_id
        event = submit_call(
            arguments=arguments,
            task_id=task_id,
            due_at=due_time(countdown, eta),
            options=stored,
            parent=parent,
            requested_by=requested_by or (headers or {}).get("periodic_task_name", ""),
            queue=queue,
            priority=priority,
        ).or_raise()
        first = event.runs.order_by("pk").values_list("task_id", flat=True).first()
        if batch_id and task_id and first != task_id:
            place = options.get("group_index")
            awaited.report(batch_id, task_id, place, AwaitedState.SUCCEEDED)
        return self._result_of(first or task_id or new_task_id(), options)

    def batchable(self) -> Sequence[str]:
        return atomic_handler_names()

    def in_turn(self) -> InTurn | None:
        """The runs of the message's handler, unless they are batched."""
        # The message names the handler there. It is only a hint: the claim looks at the run.
        found = HANDLERS.find(str(self.request.get("argsrepr")))
        if found is None or (found.atomic and conf().batch_claim_runs > 1):
            return None
        return InTurn(found.name, found.atomic)

    def registered(self) -> Mapping[str, Any]:
        types = {each.name: fingerprint(each) for each in event_types()}
        return {"handlers": handler_names(), "event_types": types}

    def work_for(self, run: TaskRun) -> Work:
        if run.event is None:
            return super().work_for(run)
        found = _handler(run)
        item = partial(_received, run, run.event)
        return Work(
            function=partial(_handle, found, item),
            atomic=found.atomic,
            retry=found.retry or default_retry(),
            batch=Batch(found.function, item) if found.batch else None,
            coroutine=(lambda: found.call(item())) if found.is_async else None,
        )

    def waits(self) -> bool:
        return True  # only the run names its handler

    def on_refused(self, refused: RefusedCall, run: TaskRun) -> None:
        """Record a refused event for a message that cannot be kept, so that people see it."""
        refuse_message(self._named(refused.args, refused.kwargs), refused.reason)

    def most_bytes(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | None:
        """Room for the largest payload of the event's type, if it allows larger ones than usual.
        The payload itself is measured when the event is submitted."""
        kind = TYPES.find(str(self._named(args, kwargs).get("event_type")))
        if kind is None or kind.max_bytes is None:
            return None
        return byte_limit(kind) * _BYTES_PER_PAYLOAD_BYTE + _OTHER_BYTES

    def stored_call(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The arguments without what the event's type leaves out of every payload. Every argument
        is looked at, because that of an invalid call may be at another place than the payload's."""
        given = [*zip_longest(inspect.signature(self.run).parameters, args)][: len(args)]
        types = {
            as_text(value) for name, value in [*given, *kwargs.items()] if name == "event_type"
        }
        type_name = types.pop() if len(types) == 1 else ""  # if it has two, the type is unknown
        return (
            [stored_argument(name, value, type_name) for name, value in given],
            {name: stored_argument(name, value, type_name) for name, value in kwargs.items()},
        )

    def stored_content(self, content: str) -> str:
        return kept_of_unread(content)

    def _check_fit(self, run: TaskRun, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Check the arguments, which nobody checked when a plain client sent them."""
        try:
            super()._check_fit(run, args, kwargs)
        except ArgumentsUnfit as unfit:
            refuse_message(self._named(args, kwargs), str(unfit))
            raise

    def _named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        names = inspect.signature(self.run).parameters
        return {**dict(zip(names, args, strict=False)), **kwargs}


def _handler(run: TaskRun) -> Handler:
    try:
        return handler(run.handler)
    except HandlerUnknown as unknown:
        raise unknown_here(
            run, unknown, knows=lambda there: run.handler in there.get("handlers", ())
        ) from unknown


def _received(run: TaskRun, event: NeuralEvent) -> Received[Any]:
    from pydantic import ValidationError  # the schema's module has loaded it already

    if event.payload is None:
        raise EventPruned(f"the payload of {event} was pruned on {event.pruned_at:%Y-%m-%d}")
    try:
        return Received(event, event_type(event.type).read(event.payload))
    except EventTypeUnknown as unknown:
        raise unknown_here(
            run, unknown, knows=lambda there: event.type in there.get("event_types", ())
        ) from unknown
    except ValidationError as invalid:
        raise _unfit(run, event, invalid) from invalid


def _unfit(run: TaskRun, event: NeuralEvent, invalid: "ValidationError") -> Exception:
    problems = "; ".join(f"{_place(each)}: {each['msg']}" for each in invalid.errors()[:3])
    error = PayloadUnfit(
        f"the payload does not fit the schema of {event.type}, which was another when it was "
        f"recorded: {problems}. Let the schema take what was recorded, then retry"
    )
    mine = fingerprint(event_type(event.type))
    return unfit_here(
        run,
        error,
        differs=lambda there: there.get("event_types", {}).get(event.type, mine) != mine,
    )


def _place(problem: Any) -> str:
    return ".".join(map(str, problem["loc"])) or "payload"


def _handle(found: Handler, item: Callable[[], Received[Any]]) -> Any:
    value = found.call(item())
    if asyncio.iscoroutine(value):
        return run_to_its_end(value)
    return None if found.batch else value


# Calls of plain clients


def submit_call(
    *,
    arguments: Mapping[str, Any],
    task_id: str | None,
    due_at: dt.datetime | None,
    options: Mapping[str, Any],
    parent: str = "",
    requested_by: str = "",
    **overrides: Any,
) -> Submission:
    """Record the event that a call of ``process_neural_event`` stands for, and return the answer.

    ``arguments`` are the task's by name; ``overrides`` (queue, priority) outrank them. The event's
    first run gets the task id. Raises :class:`EventRefused` or :class:`TaskIdTaken`.
    """
    if task_id is not None:
        check_task_id(task_id)
    request = {_NAMES[name]: value for name, value in arguments.items()}
    request |= {name: value for name, value in overrides.items() if value is not None}
    asker = requested_by or "celery"
    try:
        new_event = validate_event(request, StoreClocks(), backfill=False, requested_by=asker)
    except InvalidEvent as refused:
        _keep(refusal_of(request, refused.problems), asker)
        raise EventRefused(refused.problems) from refused
    new_event = new_event._replace(task_id=task_id, due_at=due_at, options=options, parent=parent)
    answer = _record(new_event)
    if answer.is_refused:
        _keep(refusal_of_new_event(new_event, answer.problems), asker)
    answer.or_raise()
    return answer


def refuse_message(arguments: Mapping[str, Any], reason: str) -> EventRefused:
    """Record a plain client's message that is no valid call of this task, and return its refusal.

    The refused event has as much as the message's arguments (by name) contain.
    """
    problem = Problem("event", reason)
    request = {name: arguments[given] for given, name in _NAMES.items() if given in arguments}
    refusal = refusal_of(request, [problem])
    keep([refusal], entry_point=EntryPoint.MESSAGE, requested_by=BY_MESSAGE)
    return EventRefused([problem])


def stored_argument(name: str | None, value: Any, type_name: str) -> Any:
    """What is kept of one argument of a plain client's message: all of it, unless the event's type
    leaves something out. The payload may stand anywhere in a call that is not valid, so whatever is
    not one of the texts and numbers that belong beside it is taken for one."""
    if _NAMES.get(name or "", "payload") != "payload" and isinstance(value, str | int | None):
        return value
    try:
        return kept_of(type_name, value)
    except Exception:  # noqa: BLE001 (of an app's function; the message must not be lost)
        return LEFT_OUT


def _keep(refusal: Refusal, asker: str) -> None:
    keep([refusal], entry_point=EntryPoint.CELERY, requested_by=asker)


def _record(new_event: NewEvent) -> Submission:
    if new_event.task_id is None:
        return recording.record([new_event])[0]
    try:
        with transaction.atomic():  # a savepoint: the caller's transaction continues
            return recording.record([new_event])[0]
    except IntegrityError as error:
        if is_frozen(new_event.task_id):  # a canvas that is called again, with another event
            return _record(new_event._replace(task_id=None))
        raise TaskIdTaken(f"task id {new_event.task_id!r} was recorded before") from error


def due_time(countdown: float | None, eta: dt.datetime | None) -> dt.datetime | None:
    """When a call's run is due, or None for at once. ``countdown`` is in seconds."""
    if eta is not None:
        return aware(eta)
    return database_clock() + dt.timedelta(seconds=countdown) if countdown else None
