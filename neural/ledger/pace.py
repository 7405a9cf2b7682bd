"""Estimates how many runs fit in the time that a worker may spend on one message.

Each process measures how long a run of a handler or of a queue takes. A slower run counts at once;
after faster runs, the estimate halves its distance to them. Short waits of urgent runs are
promised, large batches are not. The time that a transaction waits before it begins must not be
included: a process that had waited once for SQLite's write lock would take one run at a time ever
after.
"""

from collections.abc import Hashable

_seconds_a_run: dict[Hashable, float] = {}


def learn(what: Hashable, *, runs: int, seconds: float) -> None:
    """Record that ``runs`` runs of a handler or queue took ``seconds`` in all."""
    latest = seconds / runs
    _seconds_a_run[what] = max(latest, (latest + _seconds_a_run.get(what, latest)) / 2)


def fitting(what: Hashable, *, seconds: float, unknown: int) -> int:
    """How many runs of a handler or queue fit in ``seconds``, at least one; ``unknown`` before any
    was measured."""
    known = _seconds_a_run.get(what)
    if known is None:
        return unknown
    return max(1, int(seconds / known)) if known > 0 else unknown
