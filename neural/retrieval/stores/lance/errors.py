"""What LanceDB's errors mean, and trying again after a conflict of writers."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from neural.errors import PermanentError
from neural.retrieval.stores.base import StoreUnavailable

Answer = TypeVar("Answer")

RAISED_BY_LANCE = (RuntimeError, OSError, ValueError)
"""What the library raises: it has no classes of its own."""

_CONFLICT = ("conflict", "concurrent", "please retry", "index name")
"""Words of the messages that say so; the last of two that make one index at once."""
_PATIENCE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


class TableOfAnotherShape(PermanentError):
    """A table of this name is there, but its rows have other columns than those asked for."""


class ValueRefused(PermanentError):
    """A value that no store can look for, such as one with a NUL character."""


def told(error: Exception) -> str:
    """What the library said, without the place in its own source."""
    first_line = str(error).removeprefix("lance error: ").partition("\n")[0]
    return first_line.split(", /")[0].strip()


def after_conflicts(attempt: Callable[[], Answer]) -> Answer:
    """Do it, again and again while other writers come first, for half a minute at most.

    A writer that finds its turn taken starts from the newest version of the table, so that each
    attempt of one of several writers lets another's through: all of them get there.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    for pause in _pauses():
        try:
            return attempt()
        except RAISED_BY_LANCE as error:
            if not _is_conflict(error) or time.monotonic() + pause > give_up_at:
                raise
        time.sleep(pause)
    raise AssertionError("the pauses never end")


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Every error of the library becomes one of ours that says what could not be done."""
    try:
        yield
    except RAISED_BY_LANCE as error:
        raise StoreUnavailable(f"{what}: {told(error)}") from error


def _is_conflict(error: Exception) -> bool:
    said = str(error).lower()
    return any(word in said for word in _CONFLICT)


def _pauses() -> Iterator[float]:
    longest = _FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(longest / 2, longest)
        longest = min(2 * longest, _LONGEST_PAUSE_SECONDS)
