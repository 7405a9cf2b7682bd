"""Payloads of events: their limits, canonical JSON and hash, and validation by the schema."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from neural.conf import conf
from neural.events.answers import InvalidEvent, Problem
from neural.events.types import EventType, event_types
from neural.stored_json import depth_of, has_nul, is_deeper, said_of

_canonical = DjangoJSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def byte_limit(kind: EventType) -> int:
    """The size of the largest payload of this type, as JSON in UTF-8."""
    return max(conf().max_json_bytes, kind.max_bytes or 0)


def largest_byte_limit() -> int:
    """The size of the largest payload of any type."""
    return max((byte_limit(kind) for kind in event_types()), default=conf().max_json_bytes)


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
        raise InvalidEvent(Problem("payload", said_of(None, deepest))) from error
    except (TypeError, ValueError) as error:
        raise InvalidEvent(Problem("payload", f"cannot be written as JSON: {error}")) from error
    if len(raw) > limit:
        reason = f"has {len(raw):,} bytes; at most {limit:,} are kept"
        raise InvalidEvent(Problem("payload", reason))
    if is_deeper(text, deepest):
        raise InvalidEvent(Problem("payload", said_of(depth_of(text), deepest)))
    if has_nul(text):
        raise InvalidEvent(
            Problem("payload", "contains the character U+0000, which cannot be kept")
        )
    if len(raw) > MOST_DIGITS and _TOO_MANY_DIGITS in raw.translate(_AS_ZEROS):
        json.loads(text, parse_int=_of_bounded_size)  # the digits may be within a string
    return text


MOST_DIGITS = 308
_TOO_MANY_DIGITS = b"0" * (MOST_DIGITS + 1)
_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


def _of_bounded_size(number: str) -> None:
    digits = len(number.lstrip("-"))
    if digits > MOST_DIGITS:
        reason = f"has a number of {digits:,} digits; what computes with it reads {MOST_DIGITS}"
        raise InvalidEvent(Problem("payload", reason))


def content_hash(type_name: str, payload: str) -> str:
    """A hash of 128 bits, in hex, over the type and the payload before defaults are filled in."""
    return hashlib.blake2b(f"{type_name}\n{payload}".encode(), digest_size=16).hexdigest()


def check_payload(kind: EventType, text: str) -> None:
    """Validate a payload's JSON text by the type's schema, or raise :class:`InvalidEvent`. The text
    is validated, not the caller's objects, because handlers will read the text."""
    from pydantic import ValidationError  # the schema has loaded pydantic already

    try:
        kind.schema.model_validate(json.loads(text))
    except ValidationError as invalid:
        raise InvalidEvent(*(_problem(error) for error in invalid.errors())) from invalid


def _problem(error: Any) -> Problem:
    place = ".".join(str(step) for step in ("payload", *error["loc"]))
    return Problem(place, error["msg"])
