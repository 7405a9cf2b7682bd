"""How far a bulk action is, how fast, and how long it will take; and how long its outcomes stay.

Those of old actions are deleted, run by run, with `manage.py prune`. The actions stay.
"""

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from neural.kit.conf import conf
from neural.ledger.prune import Prunable
from neural.models import BulkAction, BulkActionItem, BulkActionState

RECENT = 1000
"""The newest outcomes by which the rate is measured."""
SHORTEST = dt.timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """``share`` is from 0 to 1. ``rate`` are runs a second of late; None if it does not move.
    ``left`` is the time to its end at that rate; None if nobody can say."""

    share: float
    rate: float | None
    left: dt.timedelta | None


def progress_of(action: BulkAction, *, now: dt.datetime) -> Progress:
    """The progress of an action: by the runs that were counted before, or else by their keys."""
    share = _share(action)
    if not action.is_under_way or not action.done:
        return Progress(share=share, rate=None, left=None)
    newest = BulkActionItem.objects.filter(action=action).order_by("-run_id")
    times = list(newest.values_list("at", flat=True)[:RECENT])
    rate = len(times) / max(now - times[-1], SHORTEST).total_seconds()
    return Progress(share=share, rate=rate, left=_left(action, rate, now, share))


def _share(action: BulkAction) -> float:
    if action.state == BulkActionState.FINISHED:
        return 1.0
    part, whole = action.position, action.up_to
    if action.expected:
        part, whole = action.done, action.expected
    return min(part / whole, 1.0) if whole else 0.0


def _left(action: BulkAction, rate: float, now: dt.datetime, share: float) -> dt.timedelta | None:
    if action.expected:
        return dt.timedelta(seconds=max(action.expected - action.done, 0) / rate)
    if action.started_at is None or not share:
        return None
    return (now - action.started_at) * (1 / share - 1)


OUTCOMES = Prunable(
    name="outcomes of bulk actions",
    which="what became of each run of bulk actions more than bulk_outcomes_kept_days ago",
    model=BulkActionItem,
    made_at="at",
    kept_days=lambda: conf().bulk_outcomes_kept_days,
    label=_("outcomes of bulk actions"),
)
