"""Event types: their names, payload schemas, queues and priorities, and the payloads that fit them.

A payload has its limits, its canonical JSON with a hash, and is validated by the type's schema.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.core.serializers.json import DjangoJSONEncoder

from neural.events.answers import InvalidEvent, Problem
from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.kit.registry import Registry
from neural.kit.stored_json import depth_of, depth_problem, has_nul, is_deeper
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, PRIORITIES

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter

Schema = TypeVar("Schema", bound="BaseModel")
LARGEST_OFFSET = dt.timedelta(hours=15, minutes=59, seconds=59)
"""Largest offset of a time from UTC. PostgreSQL keeps no larger one, and no place has one."""
OFFSET_TOO_LARGE = "must not be more than 15:59 hours away from UTC"
MOST_DIGITS = 308
MOST_UNKNOWN = 20
_TOO_MANY_DIGITS = b"0" * (MOST_DIGITS + 1)
_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


class EventTypeUnknown(PermanentError):
    """No installed app registered an event type of this name."""


@dataclass(frozen=True, kw_only=True)
class EventType(Generic[Schema]):
    """A kind of event: its name, payload schema, queue and priority.

    ``schema`` is a pydantic model, best a subclass of :class:`neural.Payload`. ``queue`` and
    ``priority`` (1 to 10, 10 is most urgent) are those of its handlers' runs. ``max_bytes`` allows
    larger payloads than the setting ``max_json_bytes``. ``keep`` returns what is kept of a payload;
    it is called before the payload is checked, and may get anything that is a mapping, also from an
    event of an unknown type.
    """

    name: str
    schema: type[Schema]
    queue: str = DEFAULT_QUEUE
    priority: int = DEFAULT_PRIORITY
    max_bytes: int | None = None
    keep: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None

    def read(self, payload: Any) -> Any:
        """A recorded payload as handlers and pages get it; raises pydantic's ValidationError."""
        data = self.schema.model_validate(payload)
        return data.translated() if hasattr(data, "translated") else data


TYPES: Registry[EventType] = Registry("event type", unknown=EventTypeUnknown)


def register_event_type(event_type: EventType[Schema]) -> EventType[Schema]:
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


_canonical = DjangoJSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


# Payloads


def byte_limit(kind: EventType) -> int:
    """The size of the largest payload of this type, as JSON in UTF-8."""
    return max(conf().max_json_bytes, kind.max_bytes or 0)


def largest_byte_limit() -> int:
    """The size of the largest payload of any type."""
    return max([conf().max_json_bytes, *(kind.max_bytes or 0 for kind in TYPES)])


def canonical(payload: Mapping[str, Any], limit: int) -> str:
    """JSON text of a payload, with sorted keys and no spaces: equal content gives equal text.

    Raises :class:`InvalidEvent` for a payload that cannot be written as JSON or cannot be kept, as
    one of more than ``limit`` bytes.
    """
    deepest = conf().max_json_depth
    try:
        text = _canonical.encode(payload)
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidEvent(
            Problem("payload", f"is not text that UTF-8 can write: {error}")
        ) from error
    except RecursionError as error:
        raise InvalidEvent(Problem("payload", depth_problem(None, deepest))) from error
    except (TypeError, ValueError) as error:
        raise InvalidEvent(Problem("payload", f"cannot be written as JSON: {error}")) from error
    if len(raw) > limit:
        reason = f"has {len(raw):,} bytes; at most {limit:,} are kept"
        raise InvalidEvent(Problem("payload", reason))
    if is_deeper(text, deepest):
        raise InvalidEvent(Problem("payload", depth_problem(depth_of(text), deepest)))
    if has_nul(text):
        raise InvalidEvent(
            Problem("payload", "contains the character U+0000, which cannot be kept")
        )
    if len(raw) > MOST_DIGITS and _TOO_MANY_DIGITS in raw.translate(_AS_ZEROS):
        json.loads(text, parse_int=_of_bounded_size)  # the digits may be within a string
    return text


def _of_bounded_size(number: str) -> None:
    digits = len(number.lstrip("-"))
    if digits > MOST_DIGITS:
        reason = f"has a number of {digits:,} digits; what computes with it reads {MOST_DIGITS}"
        raise InvalidEvent(Problem("payload", reason))


def content_hash(type_name: str, payload: str) -> str:
    """A hash of 128 bits, in hex, over the type and the payload before defaults are filled in."""
    return hashlib.blake2b(f"{type_name}\n{payload}".encode(), digest_size=16).hexdigest()


def value_of(text: str) -> Any:
    """The value of a payload's JSON text."""
    try:
        return compiled_json().validate_json(text)
    except ValueError:  # nested too deep for it
        return json.loads(text)


@cache
def compiled_json() -> "TypeAdapter[Any]":
    """JSON of any values, by code of pydantic that is faster than the standard library's."""
    from pydantic import TypeAdapter  # the schema has loaded pydantic already

    return TypeAdapter(Any)


def check_payload(kind: EventType, text: str, *, strict: bool | None = None) -> tuple[Problem, ...]:
    """Validate a payload's JSON text by the type's schema, or raise :class:`InvalidEvent`. The text
    is validated, not the caller's objects, because handlers will read the text.

    Of an invalid payload, the unknown fields are named beside a missing one, which may be misspelt;
    with ``strict`` all of them. Unless that is None, the payload is of a new event, and what
    :meth:`neural.Payload.refused_when_new` names is refused, too.

    Returns the fields that the schema keeps without knowing them, at most :data:`MOST_UNKNOWN`.
    """
    from pydantic import ValidationError  # the schema has loaded pydantic already

    from neural.events.schema import Payload, unknown_fields, unknown_in_invalid

    value = value_of(text)
    try:
        valid = kind.schema.model_validate(value)
    except ValidationError as invalid:
        errors = invalid.errors()
        lacking = {_place(*each["loc"][:-1]) for each in errors if each["type"] == "missing"}
        beside = None if strict else lacking
        unknown = unknown_in_invalid(kind.schema, value, "payload", beside=beside)
        problems = [*map(_problem, errors), *islice(unknown, MOST_UNKNOWN)]
        raise InvalidEvent(*problems) from invalid
    refused = valid.refused_when_new() if isinstance(valid, Payload) else ()
    if strict is not None and (problems := [Problem(_place(at), why) for at, why in refused]):
        raise InvalidEvent(*problems)
    return tuple(islice(unknown_fields(valid, "payload"), MOST_UNKNOWN))


def _problem(error: Any) -> Problem:
    return Problem(_place(*error["loc"]), error["msg"].removeprefix("Value error, "))


def _place(*steps: str | int) -> str:
    # pydantic adds [key] to the place of a key that is wrong, which the place ends with already.
    return ".".join(str(step) for step in ("payload", *steps) if step != "[key]")
