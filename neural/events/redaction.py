"""Turns anything that was submitted as an event into text that can be kept and shown.

No function of the first part raises, whatever its argument is: also for an object whose methods
raise. The second part leaves out what must not be kept: credentials, and what an event's type
leaves out of every payload.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from neural.events.types import TYPES, event_types
from neural.kit.storable import escaped

_CREDENTIAL = re.compile(
    r"authori[sz]ation|authentication|auth(?![a-z])|cookie|token|secret|passw|credential"
    r"|(api|access|subscription)[-_ ]?key",
    re.IGNORECASE,
)
_SIGNATURE = re.compile("signature|hmac", re.IGNORECASE)
# Of several backslashes the last suffices. A text of nothing but backslashes would take for ever
# if the expression tried all of them from each.
_ESCAPE = re.compile(r"\\u00([0-9a-f]{2})", re.IGNORECASE)
LEFT_OUT = "left out, because it may contain credentials and cannot be read as a payload"
"""Is kept in place of a value or a line of which nobody can tell what must be left out."""


class _Lenient(DjangoJSONEncoder):
    """Writes an object that JSON cannot represent as the name of its class."""

    def default(self, o: Any) -> Any:
        try:
            return dict(o) if isinstance(o, Mapping) else super().default(o)
        except Exception:  # noqa: BLE001 (of the caller's own class)
            return f"<{type(o).__name__}>"


def as_json(value: Any) -> str:
    """JSON text of a value, with sorted keys if they can be sorted; empty if it has no JSON."""
    for in_order in (True, False):
        encoder = _Lenient(ensure_ascii=False, skipkeys=True, sort_keys=in_order)
        try:
            return encoder.encode(value)
        except Exception:  # noqa: BLE001, S112 (mixed keys; nested too deep; of the caller's class)
            continue
    return ""


def as_text(value: Any) -> str:
    """A value as text: text and bytes as they are, None as empty text, any other value as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return as_json(value).strip('"')


def error_text(error: BaseException) -> str:
    """The class and the message of an error, in one line."""
    try:
        words = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 (an error of the caller's class)
        words = ""
    name = type(error).__name__
    return escaped(f"{name}: {words}" if words else name, 200)


# What is left out


def is_credential(name: str) -> bool:
    """Whether a header of this name is a credential, however it is written: ``X-Api-Key``,
    ``HTTP_COOKIE``. A signature is none: it proves one message."""
    return mentions_credential(name) and not _SIGNATURE.search(name)


def mentions_credential(text: str) -> bool:
    """Whether the name of a credential is anywhere in a text, which need not be valid JSON."""
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return _CREDENTIAL.search(plain.replace("\x00", "")) is not None  # UTF-16 read as UTF-8


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
