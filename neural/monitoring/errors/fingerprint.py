"""Fingerprints of failed attempts: the same for the same fault, whatever its message says.

Imports no Django. A fingerprint is made of the facts of the exception that were stored with the
attempt (:func:`neural.ledger.exception_facts.facts_of`): its type, the place in own code where it
was raised, the same of the root of its chain, and the code that a database or a server gave.
Everything that a group shows of its cause is part of its fingerprint: whoever may see one attempt
of a group learns nothing of the others.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 2
"""Raise it with every change of what a fingerprint is made of: old groups then stay as they are."""
LOST = "Lost"
"""What stands for the type of lost deliveries, which no exception ended."""
LONGEST_FRAME = 380
"""With the type's 255 characters of four bytes each, what PostgreSQL takes into an index."""
_TYPE = re.compile(r"([^\W\d][\w.]*)(?::|$)")


@dataclass(frozen=True)
class Cause:
    """What the attempts of a group have in common. Each text fits its column."""

    fingerprint: str
    exception: str
    message: str = ""
    """The code of a database error or an answer, and the types in an exception group."""
    frame: str = ""
    root: str = ""


def cause_of(
    *, facts: Mapping[str, Any] | None, error: str, work: str, is_lost: bool = False
) -> Cause:
    """The cause of a failed attempt.

    Without facts (lost deliveries, and attempts from before they were stored) it is the type that
    ``error``, class and message in one line, begins with. ``work`` is the place of errors without a
    place in own code, such as time limits.
    """
    facts = {} if is_lost else facts or {}
    found = _TYPE.match(error)
    exception = LOST if is_lost else facts.get("type") or (found[1] if found else "Error")
    place, root = facts.get("place") or work, facts.get("root", "")
    message = " ".join(filter(None, [facts.get("code"), ", ".join(facts.get("members", ()))]))
    parts = [exception, place, root, facts.get("root_place", ""), message]
    made_of = json.dumps(parts, ensure_ascii=False).encode()
    return Cause(
        f"{VERSION}-{hashlib.sha256(made_of).hexdigest()[:40]}",
        exception[:255],
        message[:500],
        place[-LONGEST_FRAME:],
        root[:255],
    )
