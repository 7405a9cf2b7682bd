"""Between which keys the runs of a period lie, found by looking at a few rows.

No index has the time at which a run was submitted, but keys rise with it. So a bisection of the
keys finds a run of about that time, and a page of the last week does not read older weeks.
"""

import datetime as dt
from dataclasses import dataclass

from neural.models import TaskRun

MARGIN = dt.timedelta(hours=1)
"""By how much a run may have got its key later or earlier than its time says: clocks differ, and a
transaction that inserted many runs may have been long."""
NEAR = 2000
"""The bisection ends when so many keys are left: fewer than a page may read."""

Row = tuple[int, dt.datetime]


@dataclass(frozen=True)
class KeySpan:
    """All runs of a period have keys between these two; None: no limit on that side."""

    above: int | None = None
    below: int | None = None


def keys_between(since: dt.datetime | None, until: dt.datetime | None) -> KeySpan:
    """The keys of runs that were submitted in [since, until)."""
    oldest, newest = _end("pk"), _end("-pk")
    if oldest is None or newest is None or newest[0] - oldest[0] < NEAR:
        return KeySpan()
    return KeySpan(
        above=_last_before(since - MARGIN, oldest, newest) if since else None,
        below=_first_from(until + MARGIN, oldest, newest) if until else None,
    )


def _last_before(moment: dt.datetime, oldest: Row, newest: Row) -> int | None:
    """A key whose run is from before this moment, and the greatest such one but for a few."""
    if oldest[1] >= moment:
        return None
    low, high = oldest[0], newest[0] + 1
    while high - low > NEAR:
        middle = (low + high) // 2
        row = _at(middle, high)
        if row is not None and row[1] < moment:
            low = row[0]
        else:
            high = middle
    return low


def _first_from(moment: dt.datetime, oldest: Row, newest: Row) -> int | None:
    """A key whose run is not from before this moment, and the smallest such one but for a few."""
    if newest[1] < moment:
        return None
    low, high = oldest[0], newest[0]
    while high - low > NEAR:
        middle = (low + high) // 2
        row = _at(middle, high)
        if row is None:
            high = middle
        elif row[1] >= moment:
            high = row[0]
            low = min(low, high)
        else:
            low = row[0]
    return high


def _end(order: str) -> Row | None:
    return TaskRun.objects.order_by(order).values_list("pk", "created_at").first()


def _at(first: int, end: int) -> Row | None:
    """The run with the smallest key from ``first`` on, if it is before ``end``."""
    rows = TaskRun.objects.filter(pk__gte=first, pk__lt=end).order_by("pk")
    return rows.values_list("pk", "created_at").first()
