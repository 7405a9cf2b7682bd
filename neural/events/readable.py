"""Whatever was given as an event, as text that can be kept and shown. Nothing here raises for
what it is given: it may be of any kind, and of a class whose methods raise.
"""

from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder


class _Lenient(DjangoJSONEncoder):
    """Names the kind of what JSON has no words for."""

    def default(self, o: Any) -> Any:
        try:
            return dict(o) if isinstance(o, Mapping) else super().default(o)
        except Exception:  # noqa: BLE001 (of the caller's own class)
            return f"<{type(o).__name__}>"


def as_json(value: Any) -> str:
    """JSON text of nearly anything, keys sorted where they can be; empty if it has none."""
    for in_order in (True, False):
        encoder = _Lenient(ensure_ascii=False, skipkeys=True, sort_keys=in_order)
        try:
            return encoder.encode(value)
        except Exception:  # noqa: BLE001, S112 (mixed keys; nested too deep; of the caller's class)
            continue
    return ""


def as_text(value: Any) -> str:
    """Text as it is, nothing as nothing, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return as_json(value).strip('"')


def said_by(error: BaseException) -> str:
    """The class and the words of an error, in one line."""
    try:
        words = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 (an error of the caller's class)
        words = ""
    name = type(error).__name__
    return storable(f"{name}: {words}" if words else name, 200)


def storable(text: str, most: int) -> str:
    """So many characters of it, with what no database keeps written as an escape."""
    return escaped(text[:most])[:most]


def escaped(text: str) -> str:
    """With U+0000 and halves of surrogate pairs written as escapes."""
    return text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()
