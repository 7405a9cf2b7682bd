"""Computes totals that many events share once, at the end of their transaction.

A worker handles up to a hundred events in one transaction. Suppose each event recomputed its totals
(a day's demand, an order's payments) at once. Then a busy row would be computed a hundred times and
locked from the first time to the commit, and two workers with the same rows in another order would
deadlock. Inside :func:`at_the_end` the keys are collected instead. When the block ends, they are
recomputed together, in sorted order. A recomputation depends on rows alone, so a superfluous one
(its event was rolled back to a savepoint) does no harm.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Recomputation:
    """A kind of totals that are computed from rows, each with a sortable key.

    ``compute`` takes the sorted keys, locks the rows that it writes, and then reads. Lower ranks
    are computed first, so that every transaction takes its locks in the same order.
    """

    rank: int
    compute: Callable[[list[Any]], None]

    def ask(self, keys: set[Any]) -> None:
        """Recompute these keys: when the surrounding :func:`at_the_end` block ends, or at once
        without one."""
        waiting = _waiting.get()
        if waiting is not None:
            waiting.setdefault(self, set()).update(keys)
        elif keys:
            self.compute(sorted(keys))


_waiting: ContextVar[dict[Recomputation, set[Any]] | None] = ContextVar("waiting", default=None)


@contextmanager
def at_the_end() -> Iterator[None]:
    """Collect the requested recomputations and compute them when the block ends without an error.

    Put the block inside the transaction, around all its savepoints. An inner block passes its keys
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
