"""Fingerprints of failed attempts: the same for the same fault, whatever its values and lines.

Imports no Django. A fingerprint is made of the type of the exception, its message without values,
the deepest frame of own code, the same of the exception at the root of the chain, and of the
distinct members of an exception group. It contains no line number, no source line and no value.
Everything that a group shows of its cause is part of its fingerprint: whoever may see one attempt
of a group learns nothing of the others.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import chain

from neural.monitoring.errors.normalise import NESTED, cut_off, without_values
from neural.monitoring.errors.parsing import Raised, parse
from neural.monitoring.errors.places import place_of, places_of_recursion

VERSION = 1
"""Raise it with every change of what a fingerprint is made of: old groups then stay as they are."""
LOST = "Lost"
"""What stands for the type of lost deliveries, which no exception ended."""
LONGEST_ERROR = 500
"""Characters of an attempt's error that are kept; a longer one was cut."""
MOST_MEMBERS = 10
LONGEST_FRAME = 380
"""With the type's 255 characters of four bytes each, what PostgreSQL takes into an index."""
_SQLSTATE = re.compile(r"psycopg2?\.errors\.(\w+)")
_TYPE = re.compile(r"(?P<type>[^\W\d][\w.]*)(?:: (?P<message>.*))?", re.DOTALL)
_WRAPPERS = frozenset(
    [
        "celery.exceptions.Retry",
        "neural.ledger.work_errors.AttemptFailed",
        "neural.ledger.work_errors.NotAnException",
    ]
)
"""Exceptions that only carry another one."""


@dataclass(frozen=True)
class Cause:
    """What the attempts of a group have in common. Each text fits its column."""

    fingerprint: str
    exception: str
    message: str = ""
    frame: str = ""
    root: str = ""


def cause_of(*, error: str, traceback: str, work: str, is_lost: bool = False) -> Cause:
    """The cause of a failed attempt.

    ``error`` is its class and message in one line; ``work`` is the place of errors without frames,
    such as time limits and lost deliveries.
    """
    raised = None if is_lost else parse(traceback, error=error)
    if raised is None:
        return _without_frames(error, work, is_lost=is_lost)
    raised = _unwrapped(raised)
    root = raised.root
    own = _told(raised)
    first = _told(root) if root is not raised else None
    members = sorted({_told(each.root) for each in _leaves(raised)})[:MOST_MEMBERS]
    exception, message, frame, *_ = own
    if members:
        kinds = sorted({kind for kind, *_ in members})
        message = f"{message} [{', '.join(kinds)}]"
    return _cause(
        exception, message, frame or work, first[0] if first else "", [own, first, members]
    )


def _without_frames(error: str, work: str, *, is_lost: bool) -> Cause:
    text = cut_off(error) if len(error) >= LONGEST_ERROR else error
    found = None if is_lost else _TYPE.fullmatch(text)
    kind, message = (found["type"], found["message"] or "") if found else (LOST, text)
    if found is None and not is_lost:
        kind = "Error"
    message = without_values(kind, message)
    return _cause(kind, message, work, "", [kind, message, work])


def _cause(exception: str, message: str, frame: str, root: str, made_of: object) -> Cause:
    content = json.dumps([made_of, frame], ensure_ascii=False).encode()
    digest = hashlib.sha256(content).hexdigest()[:40]
    return Cause(
        f"{VERSION}-{digest}", exception[:255], message[:500], frame[-LONGEST_FRAME:], root[:255]
    )


def _told(raised: Raised) -> tuple[str, ...]:
    """Type, message without values, and place of one exception.

    The same of the exception of which a traceback within the message tells: the error's own in
    another process or on another server.
    """
    found = _SQLSTATE.fullmatch(raised.kind)
    if not found and raised.kind.startswith("django.db.utils.") and raised.before:
        found = _SQLSTATE.fullmatch(raised.before[-1].kind)
    state = found[1] if found else ""
    message = without_values(raised.kind, raised.message, sqlstate=state) or state
    is_recursion = raised.kind == "RecursionError"
    place = (places_of_recursion if is_recursion else place_of)(raised.frames)
    start = raised.message.find(NESTED)
    inner = parse(raised.message[start:]) if start >= 0 else None
    return (raised.kind, message, place, *(_inner(inner) if inner else ()))


def _inner(raised: Raised) -> tuple[str, ...]:
    told = (
        (each.kind, without_values(each.kind, each.message), place_of(each.frames))
        for each in (raised, raised.root)
    )
    return tuple(chain.from_iterable(told))


def _unwrapped(raised: Raised) -> Raised:
    """The exception that a wrapper carries, with what led to it."""
    while raised.before and raised.kind in _WRAPPERS:
        *before, inner = raised.before
        raised = Raised(inner.kind, inner.message, inner.frames, before, inner.members)
    return raised


def _leaves(raised: Raised) -> list[Raised]:
    found: list[Raised] = []
    for member in raised.members:
        found += _leaves(member) or [member]
    return found
