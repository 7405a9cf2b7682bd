"""Acts on the runs of a bulk action, slice by slice. A slice is one transaction.

It holds the change of the runs, their outcomes and the action's new position, so that a process
that is killed between slices loses nothing and repeats nothing. The action's row is locked first
and then the runs in the order of their keys: of two workers that do the same slice, the second
finds that the position has moved.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from neural.ledger.clock import database_clock
from neural.ledger.dialects import despite_contention
from neural.ledger.pausing import others_wait
from neural.ledger.work import Snooze, current_run
from neural.models import AuditOutcome, BulkAction, BulkActionItem
from neural.runs.bulk import pacing
from neural.runs.bulk.applying import Applied, apply
from neural.runs.bulk.deciding import NOT_PERMITTED, stop_for
from neural.runs.bulk.recording import record
from neural.runs.bulk.verbs import is_permitted
from neural.runs.query import RunQuery
from neural.runs.selecting import Slice, select

ATTEMPT_SECONDS = 10.0
"""How long one attempt goes on: a stop or a restart of the worker costs no more than a slice."""
UNDISTURBED_SECONDS = 1.0
"""After that an attempt ends as soon as other work waits."""
EMPTY_STEPS = 20
"""Bounded reads without a run that matches, after which the position is recorded all the same."""

Clock = Callable[[], dt.datetime]


def act(*, action_id: int, clock: Clock = database_clock) -> dict[str, Any]:
    """Do slices until the action has ended; returns its counts.

    Raises :class:`Snooze` if more is to be done later: when the attempt's time is up, when other
    work waits, or when the pace asks for a pause.
    """
    began = time.monotonic()
    for seconds in _slices(action_id, clock):
        if seconds:
            raise Snooze(seconds, checkpoint=_told(action_id))
        passed = time.monotonic() - began
        yields = passed > UNDISTURBED_SECONDS and others_wait()
        if current_run() and (yields or passed > ATTEMPT_SECONDS):
            raise Snooze(0, checkpoint=_told(action_id))
    return _told(action_id)


def _slices(action_id: int, clock: Clock) -> Iterator[float]:
    """Do a slice at each step. Yields how many seconds the next one has to wait."""
    while action := BulkAction.objects.filter(pk=action_id).first():
        if not action.is_under_way:
            return
        user = get_user_model().objects.filter(pk=action.user_id).first()
        if user is None or not is_permitted(action.verb, user):
            stop_for(action, NOT_PERMITTED)
            return
        now = clock()
        wait = pacing.seconds_to_wait(action.next_at, now=now)
        if not wait:
            do_slice(action, user, now=now)
        yield wait


def _told(action_id: int) -> dict[str, Any]:
    action = BulkAction.objects.filter(pk=action_id).first()
    if action is None:
        return {"bulk_action": action_id, "state": "gone"}
    counts = {"changed": action.changed, "unfit": action.unfit, "failed": action.failed}
    return {"bulk_action": action.pk, "state": str(action.state), **counts}


@dataclass(frozen=True)
class _Work:
    """A slice that is to be done: the action as it was read, and the runs."""

    action: BulkAction
    user: Any
    query: RunQuery | None
    found: Slice
    now: dt.datetime


def do_slice(action: BulkAction, user: Any, *, now: dt.datetime) -> None:
    """Do the next slice of an action, unless somebody else does it at the same time."""
    query = RunQuery.from_params(action.query) if action.query else None
    size = pacing.slice_size(action.pace)
    if query is None or action.run_ids is not None:
        found = _known(action, size)
    else:
        found = _matching(action, query, user, size)
    despite_contention(partial(_transact, _Work(action, user, query, found, now)))


def _known(action: BulkAction, size: int) -> Slice:
    left = [key for key in action.run_ids or () if key > action.position]
    keys = left[:size]
    return Slice(keys, keys[-1] if keys else action.up_to, done=len(left) <= size)


def _matching(action: BulkAction, query: RunQuery, user: Any, size: int) -> Slice:
    """The next runs that match. Stretches without any are passed, up to a number of them."""
    selection, after = select(query, user), action.position
    for _ in range(EMPTY_STEPS):
        found = selection.slice(after=after, up_to=action.up_to, size=size)
        if found.keys or found.done:
            break
        after = found.read_to
    return found


def _transact(work: _Work) -> None:
    with transaction.atomic():
        action = BulkAction.objects.select_for_update().get(pk=work.action.pk)
        if not action.is_under_way or action.position != work.action.position:
            return
        applied = apply(action, work.user, work.query, work.found.keys)
        BulkActionItem.objects.bulk_create(_item(action, each) for each in applied)
        outcomes = Counter(str(each.outcome) for each in applied)
        action.advance(
            position=work.found.read_to,
            outcomes=dict(outcomes),
            next_at=pacing.time_of_next(
                action.next_at, now=work.now, changed=outcomes["changed"], pace=action.pace
            ),
        )
        if work.found.done:
            _finish(action)


def _item(action: BulkAction, each: Applied) -> BulkActionItem:
    return BulkActionItem(
        action=action,
        run_id=each.run_id,
        outcome=each.outcome,
        before=each.before,
        detail=each.detail[:500],
    )


def _finish(action: BulkAction) -> None:
    """End the action, in the transaction of its last slice."""
    action.refresh_from_db(fields=["failed"])
    if action.finish():
        record(action, AuditOutcome.FAILED if action.failed else AuditOutcome.DONE)
