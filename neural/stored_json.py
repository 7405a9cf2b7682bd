"""Arguments and results as JSON, in the form that Celery writes, and how deep JSON may be nested.

Python reads and writes JSON by recursion. What one process could just write, another whose stack
is deeper cannot read: so depth is bounded where a value comes in, and found without recursion.
"""

import json
import re
from itertools import accumulate
from typing import Any

from kombu.utils import json as celery_json

from neural.conf import conf
from neural.errors import PermanentError

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class NotStorable(PermanentError):
    """A value cannot be kept in the ledger; the message says what and why."""


def to_json(value: Any, *, what: str) -> str:
    """JSON text of a value, or :class:`NotStorable`.

    Dates, Decimals and UUIDs are written as Celery writes them. Refused are NaN and
    infinities (not JSON), the character U+0000 (PostgreSQL cannot keep it), more than
    ``max_json_bytes`` and more than ``max_json_depth`` levels.
    """
    limit = conf().max_json_depth
    try:
        text: str = celery_json.dumps(value, allow_nan=False)
    except RecursionError as error:
        raise NotStorable(f"{what} {said_of(None, limit)}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise NotStorable(f"{what} cannot be written as JSON: {error}") from error
    size = len(text.encode())
    if size > conf().max_json_bytes:
        raise NotStorable(f"{what} has {size:,} bytes; at most {conf().max_json_bytes:,} are kept")
    if is_deeper(text, limit):
        raise NotStorable(f"{what} {said_of(depth_of(text), limit)}")
    if has_nul(text):
        raise NotStorable(f"{what} contains the character U+0000, which cannot be kept")
    if "\\ud" in text and _has_half_a_pair(text):
        raise NotStorable(f"{what} contains half of a surrogate pair, which is not text")
    return text


def has_nul(text: str) -> bool:
    """Whether JSON text holds the escape of U+0000 (and not a backslash before 'u0000')."""
    return "\\u0000" in text and _NUL.search(text) is not None


def _has_half_a_pair(text: str) -> bool:
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def from_json(text: str) -> Any:
    """The value as Celery's serializer reads it back."""
    return celery_json.loads(text)


def plain(value: Any, *, what: str) -> Any:
    """The value as it will be read back by plain JSON: what a JSONField should be given."""
    return json.loads(to_json(value, what=what))


_MARKS = b'[]{}"'
_ALL_ELSE = bytes(set(range(256)) - set(_MARKS))
_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}


def is_deeper(text: str, limit: int) -> bool:
    """Whether JSON text is nested more than ``limit`` levels deep; ``[]`` has one."""
    if text.count("[") + text.count("{") <= limit:  # nearly always, and then it costs nothing
        return False
    return depth_of(text) > limit


def depth_of(text: str) -> int:
    """Levels of lists and objects within one another. Brackets within strings are none."""
    without_escapes = text.encode(errors="replace").replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = without_escapes.translate(None, delete=_ALL_ELSE)
    brackets = b"".join(marks.split(b'"')[::2])
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def said_of(depth: int | None, limit: int) -> str:
    """Why it is refused. None: so deep that it could not even be read or written."""
    how = "so deep that it cannot be read" if depth is None else f"{depth:,} levels deep"
    return f"is nested {how}; at most {limit} levels are kept"
