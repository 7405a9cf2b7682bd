"""JSON of arguments and results in Celery's form, and limits on its size and depth.

Python reads and writes JSON by recursion. A process whose stack is deeper may be unable to read a
value that another process could just write. So depth is limited where a value comes in, and
measured without recursion.
"""

import json
import re
from itertools import accumulate
from typing import Any

from kombu.utils import json as celery_json

from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.kit.storable import is_storable

CANVAS_BYTES = 16 * 1024 * 1024
"""The size that a canvas may have: what follows a run, and what a run sends."""
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class NotStorable(PermanentError):
    """A value cannot be kept in the ledger; the message names the value and the reason."""


def to_json(value: Any, *, what: str, most_bytes: int | None = None) -> str:
    """JSON text of a value; ``what`` names the value in errors.

    Dates, Decimals and UUIDs are written as Celery writes them. Raises :class:`NotStorable` for
    NaN and infinities (not JSON), the character U+0000 (PostgreSQL cannot keep it), halves of
    surrogate pairs, more than ``most_bytes`` (by default the setting ``max_json_bytes``) and more
    than ``max_json_depth`` levels.
    """
    limit = conf().max_json_depth
    try:
        text: str = celery_json.dumps(value, allow_nan=False)
    except RecursionError as error:
        raise NotStorable(f"{what} {depth_problem(None, limit)}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise NotStorable(f"{what} cannot be written as JSON: {error}") from error
    size = len(text.encode())
    most_bytes = most_bytes or conf().max_json_bytes
    if size > most_bytes:
        raise NotStorable(f"{what} has {size:,} bytes; at most {most_bytes:,} are kept")
    if is_deeper(text, limit):
        raise NotStorable(f"{what} {depth_problem(depth_of(text), limit)}")
    if has_nul(text):
        raise NotStorable(f"{what} contains the character U+0000, which cannot be kept")
    if "\\ud" in text and not is_storable(json.dumps(json.loads(text), ensure_ascii=False)):
        raise NotStorable(f"{what} contains half of a surrogate pair, which is not text")
    return text


def has_nul(text: str) -> bool:
    """Whether JSON text contains the escape of U+0000. A literal backslash before 'u0000' is not
    one."""
    return "\\u0000" in text and _NUL.search(text) is not None


def from_json(text: str) -> Any:
    """The value as Celery's serializer reads it back."""
    return celery_json.loads(text)


def plain(value: Any, *, what: str, most_bytes: int | None = None) -> Any:
    """The value as plain JSON will read it back, to be given to a JSONField; or
    :class:`NotStorable`."""
    return json.loads(to_json(value, what=what, most_bytes=most_bytes))


_MARKS = b'[]{}"'
_ALL_ELSE = bytes(set(range(256)) - set(_MARKS))
_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}


def is_deeper(text: str, limit: int) -> bool:
    """Whether JSON text is nested more than ``limit`` levels deep; ``[]`` has one level."""
    if text.count("[") + text.count("{") <= limit:  # true for nearly every value, and cheap
        return False
    return depth_of(text) > limit


def depth_of(text: str) -> int:
    """How many levels of lists and objects JSON text has. Brackets within strings do not count."""
    without_escapes = text.encode(errors="replace").replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = without_escapes.translate(None, delete=_ALL_ELSE)
    brackets = b"".join(marks.split(b'"')[::2])
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def depth_problem(depth: int | None, limit: int) -> str:
    """The reason for refusing a value of this depth, as the end of a sentence. A depth of None
    means that the value was too deep to be read or written at all."""
    how = "so deep that it cannot be read" if depth is None else f"{depth:,} levels deep"
    return f"is nested {how}; at most {limit} levels are kept"
