"""The core's own tables that may hold a person's data."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import Q

from neural.events.answers import InvalidEvent
from neural.events.changes import record_changed
from neural.events.erasing import Erasable, Values, register_erasable
from neural.events.payloads import canonical, check_payload, largest_byte_limit
from neural.events.types import TYPES
from neural.models import (
    BulkAction,
    NeuralEvent,
    QueuePause,
    RefusedEvent,
    RunEdit,
    SavedView,
    TaskAttempt,
    TaskRun,
)
from neural.personal.person import Person
from neural.registry import Registry

Listener = Callable[[Sequence[NeuralEvent], Person], None]

ERASED_EVENTS: Registry[Listener] = Registry("listener to erased events")


def register_erased_events_listener(name: str, listener: Listener) -> None:
    """Call this function with the events from whose payloads a person was erased, in the
    transaction: to erase from what was computed from them what names the person by no word."""
    ERASED_EVENTS.add(name, listener)


def _events_changed(events: Sequence[NeuralEvent], person: Person) -> None:
    record_changed("events", [f"{each.store_id}/{each.pk}" for each in events], history=True)
    for listener in ERASED_EVENTS:
        listener(events, person)


def _is_valid_event(event: Any, values: Values) -> bool:
    """Whether a handler can still read the payload: it may run again."""
    kind = TYPES.find(event.type)
    if kind is None or values["payload"] is None:
        return True
    try:
        check_payload(kind, canonical(values["payload"], largest_byte_limit()))
    except InvalidEvent:
        return False
    return True


IDS = ("task_id", "root_id", "parent_id", "group_id")
"""Of runs, and of those that follow them: they must stay what others refer to."""
TABLES = (
    Erasable(
        name="events",
        model=NeuralEvent,
        fields=("payload",),
        accepts=_is_valid_event,
        after=_events_changed,
    ),
    Erasable(
        name="refused events",
        model=RefusedEvent,
        fields=("payload", "details", "problems"),
        store="store_code",
    ),
    Erasable(
        name="runs",
        model=TaskRun,
        fields=("args", "kwargs", "options", "result", "error"),
        unchanged_paths=tuple(f"options.{each}" for each in IDS),
    ),
    Erasable(name="attempts", model=TaskAttempt, fields=("error", "traceback"), store="run__store"),
    Erasable(name="edits", model=RunEdit, fields=("before", "after", "reason"), store=""),
    Erasable(
        name="bulk actions",
        model=BulkAction,
        fields=("query", "reason", "stop_reason"),
        store="",
        only=Q(state="finished"),
    ),
    Erasable(name="saved views", model=SavedView, fields=("query",), store=""),
    Erasable(name="pauses of queues", model=QueuePause, fields=("reason",), store=""),
)
"""Events come first: what is computed from them is read from them again. Identities and content
hashes stay, so that an event that is sent again is a duplicate and brings nothing back."""


def connect() -> None:
    """Register the tables."""
    for each in TABLES:
        register_erasable(each)
    if apps.is_installed("django_celery_results"):
        register_erasable(_results())


@cache
def _results() -> Erasable:
    fields = ("task_args", "task_kwargs", "result", "traceback", "meta")
    model = apps.get_model("django_celery_results", "TaskResult")
    return Erasable(name="Celery results", model=model, fields=fields, store="")
