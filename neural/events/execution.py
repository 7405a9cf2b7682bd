"""How the run of an event is worked on: its handler, called with the event and its data."""

import asyncio
import datetime as dt
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from celery.result import AsyncResult

from neural.errors import PermanentError
from neural.events.celery_door import due_time, refuse_message, submit_call
from neural.events.registry import Handler, Received, atomic_handler_names, handler
from neural.events.types import event_type
from neural.models import NeuralEvent, TaskRun
from neural.runs.coroutines import run_to_its_end
from neural.runs.enqueue import new_task_id
from neural.runs.task import LedgerTask
from neural.runs.work import Batch, Work, default_retry


class EventPruned(PermanentError):
    """An event's payload was pruned; its handlers cannot run again."""


class EventTask(LedgerTask):
    """The task whose runs are events' handlers."""

    abstract = True

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
        """Submit the event; the type decides the queue unless ``queue`` does.

        ``priority`` (1 to 10) orders within the queue and outranks the argument of that name.
        The result is that of the event's first run; an event that nobody handles has none.
        Links and a chain follow that run, and nothing where the event was recorded before.
        """
        arguments = inspect.signature(self.run).bind(*(args or ()), **(kwargs or {})).arguments
        parent, kept = self._family(options, headers)
        event = submit_call(
            arguments=arguments,
            task_id=task_id,
            due_at=due_time(countdown, eta),
            options=kept,
            parent=parent,
            requested_by=requested_by or (headers or {}).get("periodic_task_name", ""),
            queue=queue,
            priority=priority,
        ).or_raise()
        runs = event.runs.order_by("pk").values_list("task_id", flat=True)
        return self._result_of(runs.first() or task_id or new_task_id(), options)

    def companions(self) -> Sequence[str]:
        return atomic_handler_names()

    def work_for(self, run: TaskRun) -> Work:
        if run.event is None:
            work = super().work_for(run)
            return replace(work, function=partial(self._as_call, run, work.function))
        found = handler(run.handler)
        item = partial(_received, run.event)
        return Work(
            function=partial(_handle, found, item),
            atomic=found.atomic,
            retry=found.retry or default_retry(),
            batch=Batch(found.function, item) if found.batch else None,
        )

    def accept_foreign(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """As of any ledger task; and people see the event of a message that cannot be kept."""
        try:
            super().accept_foreign(args, kwargs)
        except PermanentError as error:
            refuse_message(self._named(args, kwargs), str(error))
            raise

    def _as_call(self, run: TaskRun, function: Callable[[], Any]) -> Any:
        """A plain client's message has been looked at by nobody when it was sent."""
        try:
            inspect.signature(self.run).bind(*run.args, **run.kwargs)
        except TypeError as error:
            reason = f"is no call of {self.name}: {error}"
            raise refuse_message(self._named(run.args, run.kwargs), reason) from error
        return function()

    def _named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        names = inspect.signature(self.run).parameters
        return {**dict(zip(names, args, strict=False)), **kwargs}


def _received(event: NeuralEvent) -> Received[Any]:
    if event.payload is None:
        raise EventPruned(f"the payload of {event} was pruned on {event.pruned_at:%Y-%m-%d}")
    return Received(event, event_type(event.type).schema.model_validate(event.payload))


def _handle(found: Handler, item: Callable[[], Received[Any]]) -> Any:
    value = found.call(item())
    if asyncio.iscoroutine(value):
        return run_to_its_end(value)
    return None if found.batch else value
