"""Insert hooks: rows that an app has inserted with new events, in the statement that inserts these.

So they cost no round trip of their own, and are there exactly when their event is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from neural.events.new_event import NewEvent
from neural.registry import Registry


@dataclass(frozen=True, kw_only=True)
class InsertHook:
    """An ``INSERT INTO … SELECT … FROM new_events``, whose columns are ``id``, ``store_id``,
    ``source`` and ``event_id``. PostgreSQL takes it into a ``WITH``; SQLite runs it by itself.
    """

    statement: str
    parameters: Callable[[Sequence[NewEvent]], Sequence[Any] | None]
    """What stands for the statement's ``%s``; None where these events have no such rows."""


INSERT_HOOKS: Registry[InsertHook] = Registry("insert hook")


def register_insert_hook(name: str, hook: InsertHook) -> None:
    """Have this inserted with all new events."""
    INSERT_HOOKS.add(name, hook)


def hooked_inserts(new_events: Sequence[NewEvent]) -> list[tuple[str, Sequence[Any]]]:
    """Statements, each with its parameters, for these events."""
    asked = [(hook.statement, hook.parameters(new_events)) for hook in INSERT_HOOKS]
    return [(statement, values) for statement, values in asked if values is not None]
