"""Riders: rows that an app has inserted with new events, in the statement that inserts these.

So they cost no round trip of their own, and are there exactly when their event is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from neural.events.draft import EventDraft
from neural.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Rider:
    """An ``INSERT INTO … SELECT … FROM new_events``, whose columns are ``id``, ``store_id``,
    ``source`` and ``event_id``. PostgreSQL takes it into a ``WITH``; SQLite runs it by itself.
    """

    statement: str
    parameters: Callable[[Sequence[EventDraft]], Sequence[Any] | None]
    """What stands for the statement's ``%s``; None where these events take no such rows along."""


RIDERS: Registry[Rider] = Registry("rider of events")


def register_rider(name: str, rider: Rider) -> None:
    """Have this inserted with all new events."""
    RIDERS.add(name, rider)


def riding(drafts: Sequence[EventDraft]) -> list[tuple[str, Sequence[Any]]]:
    """Statements, each with its parameters, for these events."""
    asked = [(rider.statement, rider.parameters(drafts)) for rider in RIDERS]
    return [(statement, values) for statement, values in asked if values is not None]
