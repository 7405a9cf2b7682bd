"""The difference between two JSON values, key by key. Pure.

Objects are compared key by key, lists place by place. ``1``, ``1.0`` and ``true`` are different:
they are not the same JSON.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

Step = str | int
Path = tuple[Step, ...]


class Absent:
    """Stands for a value that is not there; JSON's null is one that is."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


@dataclass(frozen=True)
class Change:
    """One place at which two values differ. An empty path means the whole values."""

    path: Path
    before: Any
    after: Any

    @property
    def place(self) -> str:
        """The path as problems of payloads name it: ``lines.0.price``."""
        return ".".join(map(str, self.path))


def difference(before: Any, after: Any) -> list[Change]:
    """The changes that make ``after`` of ``before``, in the order of their places."""
    return list(_changes((), before, after))


def _changes(path: Path, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _changes((*path, key), before.get(key, ABSENT), after.get(key, ABSENT))
    elif isinstance(before, list) and isinstance(after, list):
        pairs = zip_longest(before, after, fillvalue=ABSENT)
        for place, (old, new) in enumerate(pairs):
            yield from _changes((*path, place), old, new)
    elif not _is_same(before, after):
        yield Change(path, before, after)


def _is_same(one: Any, other: Any) -> bool:
    if one is ABSENT or other is ABSENT:
        return one is other
    return type(one) is type(other) and json.dumps(one) == json.dumps(other)
