"""Event types: their names, payload schemas, queues and priorities."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neural.errors import PermanentError
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, PRIORITIES
from neural.registry import Registry

if TYPE_CHECKING:
    from pydantic import BaseModel

LARGEST_OFFSET = dt.timedelta(hours=15, minutes=59, seconds=59)
"""Largest offset of a time from UTC. PostgreSQL keeps no larger one, and no place has one."""
OFFSET_TOO_LARGE = "must not be more than 15:59 hours away from UTC"


class EventTypeUnknown(PermanentError):
    """No installed app registered an event type of this name."""


@dataclass(frozen=True, kw_only=True)
class EventType:
    """A kind of event: its name, payload schema, queue and priority.

    ``schema`` is a pydantic model, best a subclass of :class:`neural.Payload`. ``queue`` and
    ``priority`` (1 to 10, 10 is most urgent) are those of its handlers' runs. ``max_bytes`` allows
    larger payloads than the setting ``max_json_bytes``. ``keep`` returns what is kept of a payload;
    it is called before the payload is checked, and may get anything that is a mapping, also from an
    event of an unknown type.
    """

    name: str
    schema: "type[BaseModel]"
    queue: str = DEFAULT_QUEUE
    priority: int = DEFAULT_PRIORITY
    max_bytes: int | None = None
    keep: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None


TYPES: Registry[EventType] = Registry("event type", unknown=EventTypeUnknown)


def register_event_type(event_type: EventType) -> EventType:
    """Register an event type and return it. Raises ValueError for a priority that is not from 1 to
    10 and for a size that is not positive, and AlreadyRegistered for a name in use."""
    if event_type.priority not in PRIORITIES:
        raise ValueError(f"priority of {event_type.name!r} must be from 1 to 10")
    if event_type.max_bytes is not None and event_type.max_bytes < 1:
        raise ValueError(f"max_bytes of {event_type.name!r} must be positive")
    return TYPES.add(event_type.name, event_type)


def event_type(name: str) -> EventType:
    """The registered type of this name; raises :class:`EventTypeUnknown` if there is none."""
    return TYPES.get(name)


def event_types() -> list[EventType]:
    """All registered types, sorted by name."""
    return TYPES.by_name()


def fingerprint(event_type: EventType) -> str:
    """A hash of the type's schema as JSON Schema, to tell whether two schemas differ; empty if the
    schema cannot be written as JSON Schema. Titles and docstrings make no difference."""
    from pydantic.errors import PydanticUserError  # the schema has loaded pydantic already

    try:
        schema = event_type.schema.model_json_schema()
    except PydanticUserError:
        return ""
    text = json.dumps(_without_prose(schema), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_prose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # A field may have one of these names: its value is a schema, and no text.
    prose = {name for name in ("title", "description") if isinstance(schema.get(name), str)}
    return {name: _without_prose(each) for name, each in schema.items() if name not in prose}
