"""Turns anything that was submitted as an event into text that can be kept and shown.

No function here raises, whatever its argument is: also for an object whose methods raise.
"""

from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder


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


def said_by(error: BaseException) -> str:
    """The class and the message of an error, in one line."""
    try:
        words = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 (an error of the caller's class)
        words = ""
    name = type(error).__name__
    return storable(f"{name}: {words}" if words else name, 200)


def storable(text: str, most: int) -> str:
    """At most ``most`` characters of a text, :func:`escaped`."""
    return escaped(text[:most])[:most]


def escaped(text: str) -> str:
    """The text with U+0000 and halves of surrogate pairs, which no database keeps, as escapes."""
    return text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()
