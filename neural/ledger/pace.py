"""How many runs fit in the time that a worker may spend on one message.

Each process learns for itself how long a run of a handler or of a queue takes. What was just
slow counts at once and is forgotten by halves: that an urgent run does not wait is promised,
how much is batched is not. What a transaction waited for before it began is no part of it:
a process that waited once for SQLite's one writer would take a run at a time ever after.
"""

from collections.abc import Hashable

_seconds_a_run: dict[Hashable, float] = {}


def learn(what: Hashable, *, runs: int, seconds: float) -> None:
    """Take note that so many runs took so long together."""
    latest = seconds / runs
    _seconds_a_run[what] = max(latest, (latest + _seconds_a_run.get(what, latest)) / 2)


def fitting(what: Hashable, *, seconds: float, unknown: int) -> int:
    """How many runs fit in so many seconds, at least one; ``unknown`` before any was seen."""
    known = _seconds_a_run.get(what)
    if known is None:
        return unknown
    return max(1, int(seconds / known)) if known > 0 else unknown
