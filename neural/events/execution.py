"""How the run of an event is worked on: its handler, called with the event and its data."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from neural.errors import PermanentError
from neural.events.registry import Handler, atomic_handler_names, handler
from neural.events.types import event_type
from neural.models import NeuralEvent, TaskRun
from neural.runs.coroutines import run_to_its_end
from neural.runs.execution import Work, default_retry
from neural.runs.task import LedgerTask


class EventPruned(PermanentError):
    """An event's payload was pruned; its handlers cannot run again."""


class EventTask(LedgerTask):
    """The task whose runs are events' handlers."""

    abstract = True

    def companions(self) -> Sequence[str]:
        return atomic_handler_names()

    def work_for(self, run: TaskRun) -> Work:
        if run.event is None:
            return super().work_for(run)
        found = handler(run.handler)
        return Work(
            function=_call(found, run.event),
            atomic=found.atomic,
            retry=found.retry or default_retry(),
        )


def _call(found: Handler, event: NeuralEvent) -> Callable[[], Any]:
    def work() -> Any:
        if event.payload is None:
            raise EventPruned(f"the payload of {event} was pruned on {event.pruned_at:%Y-%m-%d}")
        data = event_type(event.type).schema.model_validate(event.payload)
        value = found.function(event, data)
        return run_to_its_end(value) if asyncio.iscoroutine(value) else value

    return work
