"""Reads the keys of the runs that a query means: up to a number, and within a time."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from neural.keyset.walks import Place
from neural.runs.query import RunQuery
from neural.runs.selecting import select

MOST_COUNTED = 10_000
LONGEST_SECONDS = 2.0
PAGE = 1000

Clock = Callable[[], float]


def keys_of(query: RunQuery, user: Any) -> Sequence[int] | None:
    """The keys of the runs that match, rising; None if they are more than :data:`MOST_COUNTED`, or
    would take too long."""
    found: list[int] = []
    for keys, is_last in pages(query, user, seconds=LONGEST_SECONDS):
        found += keys
        if is_last:
            return sorted(found)
    return None


def pages(
    query: RunQuery, user: Any, *, seconds: float, clock: Clock = time.monotonic
) -> Iterator[tuple[Sequence[int], bool]]:
    """The keys of the newest runs that match, and whether these are the last: up to
    :data:`MOST_COUNTED`, for so many seconds. Each page is one bounded query."""
    end, counted, place, selection = clock() + seconds, 0, Place(), select(query, user)
    while counted < MOST_COUNTED:
        page = selection.page(place=place, size=min(PAGE, MOST_COUNTED - counted))
        counted += len(page.keys)
        yield page.keys, not page.more
        onward = page.stopped_at if page.stopped_at is not None else min(page.keys, default=None)
        if not page.more or onward is None or clock() >= end:
            return
        place = Place(before=onward)
