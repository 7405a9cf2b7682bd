"""Totals that many events share are computed once, at the end of their transaction.

A worker handles up to a hundred events in one transaction. If each recomputed the totals it
touches (a day's demand, an order's payments) at once, a busy row would be locked from the
first of them to the commit, computed a hundred times, and two workers that met the same rows
in another order would deadlock. Inside :func:`at_the_end` the keys are collected instead;
when the block ends they are recomputed together, sorted. A recomputation depends on rows
alone, so one too many (its event was rolled back to a savepoint) does no harm.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Recomputation:
    """A total that follows from rows, named by sortable keys.

    ``compute`` takes the sorted keys, locks what it writes and then reads. Lower ranks are
    computed first, so that every transaction takes its locks in one order.
    """

    rank: int
    compute: Callable[[list[Any]], None]

    def ask(self, keys: set[Any]) -> None:
        """Recompute these keys: at the end of the block around, or now if there is none."""
        waiting = _waiting.get()
        if waiting is not None:
            waiting.setdefault(self, set()).update(keys)
        elif keys:
            self.compute(sorted(keys))


_waiting: ContextVar[dict[Recomputation, set[Any]] | None] = ContextVar("waiting", default=None)


@contextmanager
def at_the_end() -> Iterator[None]:
    """Collect what is asked for and compute it when the block ends without an error.

    Put it inside the transaction, around all its savepoints. An inner block leaves its keys
    to the outer one.
    """
    waiting: dict[Recomputation, set[Any]] = {}
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
    for recomputation in sorted(waiting, key=lambda each: each.rank):
        recomputation.ask(waiting[recomputation])
