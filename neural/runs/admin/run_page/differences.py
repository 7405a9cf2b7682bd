"""The difference between two JSON values as lines of text, removed and added ones marked."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from neural.personal.redacting import for_user
from neural.runs.differing import Absent, difference

MOST_SHOWN = 100
LONGEST_SHOWN = 2000
"""Characters of one value."""


@dataclass(frozen=True)
class ChangeLines:
    """A place, and its lines before and after; empty where there is no value."""

    place: str
    removed: Sequence[str]
    added: Sequence[str]


@dataclass(frozen=True)
class ChangesForUser:
    """The first changes. ``more`` is how many are left out; ``all_hidden`` says that what differs
    are values that this user may not see."""

    changes: Sequence[ChangeLines]
    more: int = 0
    all_hidden: bool = False


def changes_of(before: Any, after: Any, user: Any) -> ChangesForUser:
    """The difference as this user may see it."""
    found = difference(for_user(before, user), for_user(after, user))
    if not found:
        return ChangesForUser((), all_hidden=bool(difference(before, after)))
    visible = [
        ChangeLines(each.place, list(_lines(each.before)), list(_lines(each.after)))
        for each in found[:MOST_SHOWN]
    ]
    return ChangesForUser(visible, more=len(found) - len(visible))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Absent):
        return
    text = json.dumps(value, indent=2, ensure_ascii=False)
    cut = text[:LONGEST_SHOWN] + " …" if len(text) > LONGEST_SHOWN else text
    yield from cut.split("\n")
