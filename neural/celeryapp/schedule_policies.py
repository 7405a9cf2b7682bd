"""Whether a due time becomes a run, by its schedule's policy (``neural.models.SchedulePolicy``).

The policy is read when the time is due, in the transaction in which beat takes it, so it holds for
two beats, over restarts, and from the moment at which it was saved.
"""

import datetime as dt
from typing import Any

from neural.celeryapp.due_times import timely
from neural.celeryapp.schedule_runs import unfinished_run_of
from neural.models import Misfire, Overlap, SchedulePolicy, SkipReason


class LeftOut(Exception):
    """A due time is left out, for a reason that has been recorded."""

    def __init__(self, reason: SkipReason, about: str) -> None:
        super().__init__(f"{reason} {about}")
        self.reason = reason


def due_time_to_run(entry: Any, now: dt.datetime, *, on_ledger: bool) -> dt.datetime:
    """The due time for which the schedule runs now.

    Raises :class:`LeftOut` if the policy leaves it out. That a run of the schedule still waits or
    works is known of ledger tasks alone.
    """
    first = entry.due_at
    policy = SchedulePolicy.objects.filter(pk=entry.model.pk).first()
    if policy is None:
        return first
    due = first
    if policy.misfire == Misfire.SKIP:
        found = timely(entry.schedule, first, now=now, grace=policy.grace)
        if found is None:
            raise _recorded(policy, SkipReason.MISSED, first.isoformat(), now)
        due = found
    if on_ledger and policy.overlap == Overlap.SKIP:
        unfinished = unfinished_run_of(entry.model.pk)
        if unfinished:
            raise _recorded(policy, SkipReason.OVERLAP, unfinished, now)
    return due


def _recorded(policy: SchedulePolicy, reason: SkipReason, about: str, now: dt.datetime) -> LeftOut:
    SchedulePolicy.record_skip(policy.pk, reason, about, now)
    return LeftOut(reason, about)
