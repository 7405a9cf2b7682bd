"""What is kept of a submitted payload, if its type leaves something out of every payload."""

from collections.abc import Mapping
from typing import Any

from neural.events.credentials import mentions_credential
from neural.events.readable import as_text
from neural.events.types import TYPES, event_types

LEFT_OUT = "left out, because it may contain credentials and cannot be read as a payload"
"""Is kept in place of a value or a line of which nobody can tell what must be left out."""


def kept_of(type_name: str, payload: Any) -> Any:
    """What is kept of a payload: all of it, unless its type leaves something out. If the type is
    unknown, because its name is misspelt, it may be any: whatever a type leaves out is left out."""
    if payload is None or isinstance(payload, bool | int | float):
        return payload
    kind = TYPES.find(type_name)
    if kind is None:
        return _kept_of_any(payload)
    if kind.keep is None:
        return payload
    return kind.keep(payload) if isinstance(payload, Mapping) else LEFT_OUT


def _kept_of_any(payload: Any) -> Any:
    if not isinstance(payload, Mapping):
        return LEFT_OUT if mentions_credential(as_text(payload)) else payload
    for kind in event_types():
        payload = kind.keep(payload) if kind.keep else payload
    return payload


def kept_of_unread(text: str) -> str:
    """What is kept of a text that is no event: all of it, unless it mentions a credential."""
    return LEFT_OUT if mentions_credential(text) else text
