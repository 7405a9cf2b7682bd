"""The pace of a bulk action: at most so many changed runs a second."""

import datetime as dt

SLICE_RUNS = 200
"""The most runs of one transaction."""
SAVED = dt.timedelta(seconds=2)
"""What an action that was kept waiting may catch up on: its pace holds over a few seconds."""


def slice_size(pace: int | None) -> int:
    """How many runs a slice has: what the pace allows in a second, if that is less."""
    return SLICE_RUNS if pace is None else max(1, min(SLICE_RUNS, pace))


def seconds_to_wait(next_at: dt.datetime | None, *, now: dt.datetime) -> float:
    """How long it is until the next slice may begin."""
    return 0.0 if next_at is None else max((next_at - now).total_seconds(), 0.0)


def time_of_next(
    before: dt.datetime | None, *, now: dt.datetime, changed: int, pace: int | None
) -> dt.datetime | None:
    """When the slice after one that changed so many runs may begin.

    ``before`` is when that one might have begun. Time that was not used is saved up to
    :data:`SAVED`.
    """
    if pace is None:
        return None
    began = now if before is None else max(before, now - SAVED)
    return began + dt.timedelta(seconds=changed / pace)
