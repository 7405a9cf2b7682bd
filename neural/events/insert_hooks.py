"""Insert hooks: rows of an app that are inserted in the same statement as new events.

These rows need no round trip of their own, and exist exactly if their event exists.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from neural.events.new_event import NewEvent
from neural.registry import Registry


@dataclass(frozen=True, kw_only=True)
class InsertHook:
    """An ``INSERT INTO … SELECT … FROM new_events`` that is executed with new events.

    ``new_events`` has the columns ``id``, ``store_id``, ``source``, ``event_id`` and ``type``. On
    PostgreSQL the statement becomes part of a ``WITH``; SQLite executes it separately.
    """

    statement: str
    parameters: Callable[[Sequence[NewEvent]], Sequence[Any] | None]
    """Returns the values for the statement's ``%s``, or None if these events get no such rows."""


INSERT_HOOKS: Registry[InsertHook] = Registry("insert hook")


def register_insert_hook(name: str, hook: InsertHook) -> None:
    """Execute this hook with all new events."""
    INSERT_HOOKS.add(name, hook)


def hooked_inserts(new_events: Sequence[NewEvent]) -> list[tuple[str, Sequence[Any]]]:
    """The hooks' statements for these events, each with its parameters."""
    asked = [(hook.statement, hook.parameters(new_events)) for hook in INSERT_HOOKS]
    return [(statement, values) for statement, values in asked if values is not None]
