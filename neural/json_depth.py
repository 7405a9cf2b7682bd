"""How deep JSON text is nested, found without recursion.

Python reads and writes JSON by recursion. What one process could just write, another whose stack
is deeper cannot read: so depth is bounded where a value comes in.
"""

from itertools import accumulate

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
