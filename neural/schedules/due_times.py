"""The due times of a schedule, computed from its row alone: the same in every process.

They are those at which Celery's beat finds the schedule due, also where the clocks change. An hour
that a crontab names and that does not exist that day comes when the clocks have gone forward; of an
hour that comes twice, the first counts.
"""

import datetime as dt
from typing import Any

from celery.utils.time import maybe_make_aware

LONG_AGO = dt.timedelta(days=365 * 30)
"""How far before its start time a schedule that has not run yet is read from."""


def due_after(schedule: Any, last: dt.datetime) -> dt.datetime:
    """When a Celery schedule is due next if it was last at ``last``, in UTC."""
    last = maybe_make_aware(last).astimezone(dt.UTC)
    schedule = _twin(schedule)
    # Celery 5.6 reads the hour of a crontab in the zone of this time.
    there = last.astimezone(getattr(schedule, "tz", dt.UTC))
    schedule.nowfun = lambda: there  # as if it were still then
    return (last + schedule.remaining_estimate(there)).astimezone(dt.UTC)


def _twin(schedule: Any) -> Any:
    """A shallow copy: ``copy`` would have a crontab parse its fields anew, for milliseconds."""
    twin = object.__new__(type(schedule))
    vars(twin).update(vars(schedule))
    return twin


def first_due(row: Any) -> dt.datetime:
    """When one of django-celery-beat's rows is due next; in the past if beat has not come yet.

    Raises what its schedule raises if it cannot be used: a solar one without the package ephem.
    """
    in_force_since = row.last_run_at or row.date_changed
    last = in_force_since
    if not row.last_run_at and row.start_time:
        last -= LONG_AGO
    due = due_after(row.schedule, last)
    # A time that had passed when the row was saved is due from then on.
    return max(due, in_force_since, row.start_time or due).astimezone(dt.UTC)


def timely(
    schedule: Any, first: dt.datetime, *, now: dt.datetime, grace: dt.timedelta
) -> dt.datetime | None:
    """The latest due time that is no older than ``grace``, given the first that beat has not come
    to; None if all are older."""
    due = _last_until(schedule, first, now=now, since=now - grace)
    return due if due >= now - grace else None


def _last_until(
    schedule: Any, first: dt.datetime, *, now: dt.datetime, since: dt.datetime
) -> dt.datetime:
    """The last due time until ``now``, or any before ``since`` if there is none in between."""
    every = getattr(schedule, "run_every", None)
    if every:
        return first + ((now - first) // every) * every
    if hasattr(schedule, "clocked_time"):
        return first
    due = first if first >= since else due_after(schedule, since - dt.timedelta(microseconds=1))
    if due > now:
        return first
    while due < (following := due_after(schedule, due)) <= now:
        due = following
    return due
