"""A schedule of django-celery-beat, which computes and uses up its due times as its policy says."""

import datetime as dt
import logging
from functools import partial
from typing import Any

from celery.utils.time import maybe_make_aware
from django.db.models import F
from django_celery_beat.schedulers import ModelEntry

from neural.ledger.clock import carried
from neural.models import Misfire, Overlap, SchedulePolicy, SkipReason
from neural.schedules.due_times import due_after, timely
from neural.schedules.runs import run_id, unfinished_run_of

logger = logging.getLogger(__name__)

REFUSED_PAUSE = dt.timedelta(hours=1)
"""When a refused schedule without a later due time is tried again."""
AHEAD = dt.timedelta(seconds=2)
"""How much two beats may differ, each with its own estimate of the database's clock."""


class LedgerEntry(ModelEntry):
    """A schedule as it was read, and the time at which it is due next.

    The database's clock decides what is due, not the clock of beat's host.
    """

    def __init__(self, model: Any, app: Any = None) -> None:
        _mend(model)
        # The parent sets a time of its own in the model if the row has none.
        self.in_force_since = model.last_run_at or model.date_changed
        super().__init__(model, app=app)
        self.schedule.nowfun = partial(_now, getattr(self.schedule, "tz", self.app.timezone))
        self.refused_until: dt.datetime | None = None

    def _default_now(self) -> dt.datetime:
        return _now(self.app.timezone)

    @property
    def due_at(self) -> dt.datetime:
        """The next due time, computed from the row alone: the same in every process."""
        due = due_after(self.schedule, self.last_run_at)
        # A time that had passed when the row was saved is due from then on.
        return max(due, self.in_force_since, self.model.start_time or due).astimezone(dt.UTC)

    def run_id(self, due_at: dt.datetime) -> str:
        """The task id of the run of a due time."""
        return run_id(self.model.pk, due_at)

    def take(self, now: dt.datetime) -> bool:
        """Use up the due time in the database. Returns False if the row is not as it was read."""
        row = type(self.model).objects.filter(
            pk=self.model.pk, enabled=True, total_run_count=self.model.total_run_count
        )
        return bool(row.update(last_run_at=now, total_run_count=F("total_run_count") + 1))

    def taken(self, now: dt.datetime) -> None:
        """Use up the due time in memory, once that has committed."""
        self.last_run_at = self.model.last_run_at = self.in_force_since = now
        self.model.total_run_count += 1
        self.total_run_count = self.model.total_run_count

    def refuse(self, now: dt.datetime) -> None:
        """Leave the schedule alone until its next due time: what was refused would be refused again
        in a second. The due time stays unused, so the row still says when the last run was."""
        later = due_after(self.schedule, now)
        self.refused_until = later if later > now else now + REFUSED_PAUSE

    def go_on_from(self, before: "LedgerEntry | None") -> None:
        """Be refused as long as this entry, unless the row was edited since it was read."""
        if before and before.model.date_changed == self.model.date_changed:
            self.refused_until = before.refused_until


def _now(zone: dt.tzinfo) -> dt.datetime:
    return carried.now().astimezone(zone)


def _mend(model: Any) -> None:
    """Let a last run in the future count from now, or the schedule would be silent until then.

    It was written by a beat whose clock was wrong, or the database's clock has been set.
    """
    now = carried.now()
    if not model.last_run_at or maybe_make_aware(model.last_run_at) <= now + AHEAD:
        return
    logger.warning("event=schedule_ahead schedule=%r last_run=%s", model.name, model.last_run_at)
    as_read = type(model).objects.filter(pk=model.pk, last_run_at=model.last_run_at)
    as_read.update(last_run_at=now)
    model.last_run_at = now


# The policy


class LeftOut(Exception):
    """A due time is left out, for a reason that has been recorded."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(f"{reason} {detail}")
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


def _recorded(policy: SchedulePolicy, reason: SkipReason, detail: str, now: dt.datetime) -> LeftOut:
    SchedulePolicy.record_skip(policy.pk, reason, detail, now)
    return LeftOut(reason, detail)
