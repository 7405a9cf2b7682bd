"""How many runs there are in each state: counted up to a number, in a limited time."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from neural.kit.keyset.walks import Place
from neural.models import RunState
from neural.runs.selecting import Selection

COUNTED = 1000
MOST_ROWS = 10_000
"""Rows that one count may read: those of each store are an index's part of their own."""
FEWEST = 50
SECONDS = 0.2
"""When so much time has passed, no further count begins."""
Clock = Callable[[], float]


@dataclass(frozen=True)
class Count:
    """The newest runs that were counted; ``more`` says that there are, or may be, others. ``keys``
    is None if the time was over."""

    keys: Sequence[int] | None
    more: bool = True

    @property
    def text(self) -> str:
        """As it is shown: ``1,000+``; ``?`` if it was not counted."""
        if self.keys is None:
            return "?"
        return f"{len(self.keys):,}{'+' if self.more else ''}"


@dataclass(frozen=True)
class Part:
    """A part of a selection, by state; retried runs wait like others, but have failed before."""

    state: str
    tries: int | None = None


RETRYING = Part(RunState.PENDING, tries=1)
PARTS = (
    Part(RunState.PENDING),
    RETRYING,
    Part(RunState.RUNNING),
    Part(RunState.DEAD),
    Part(RunState.SUCCEEDED),
    Part(RunState.CANCELLED),
    Part(RunState.DISCARDED),
)


def counted(
    selection: Selection, *, parts: Sequence[Part] = PARTS, clock: Clock = time.monotonic
) -> dict[Part, Count]:
    """The count of each part, whatever state the selection itself is limited to."""
    until = clock() + SECONDS
    stores = selection.readable_stores or ()
    # Few for many stores, so that few rows are read.
    size = max(FEWEST, min(COUNTED, MOST_ROWS // max(len(stores), 1)))

    def counts() -> Iterator[tuple[Part, Count]]:
        for part in parts:
            own = selection.in_state(state=part.state, tries=part.tries)
            yield part, count(own, size) if clock() < until else Count(None)

    return dict(counts())


def count(selection: Selection, size: int = COUNTED) -> Count:
    """Count the newest runs of a selection, at most ``size``."""
    found = selection.page(place=Place(), size=size)
    return Count(found.keys, found.more)
