"""Acts on the runs of a bulk action, slice by slice, at its pace. A slice is one transaction.

It holds the change of the runs, their outcomes and the action's new position, so that a process
that is killed between slices loses nothing and repeats nothing. The action's row is locked first
and then the runs in the order of their keys: of two workers that do the same slice, the second
finds that the position has moved.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db import DataError, IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from neural.ledger.clock import database_clock
from neural.ledger.dialects import despite_contention
from neural.ledger.work import Snooze, current_run
from neural.models import AuditOutcome, BulkAction, BulkActionItem, BulkOutcome, TaskRun
from neural.runs.acts import RUN_VERBS, WHY_LEFT_OUT
from neural.runs.bulk.deciding import ACT_TASK, NOT_PERMITTED, record, stop_for
from neural.runs.query import RunQuery
from neural.runs.selecting import Selection, Slice, chosen, select
from neural.runs.slices import in_slices

_LARGE = ("args", "kwargs", "result")

WHY_UNFIT: Mapping[str, Any] = {
    "state": _("its state does not allow it"),
    "gone": _("it does not exist any more, or is of a store that the user does not see"),
    "no_match": _("it no longer matches the filter"),
    "of_action": _("it does a bulk action, which is stopped on its own page"),
    "acted_on": _("another bulk action changed it meanwhile"),
    **WHY_LEFT_OUT,
}
"""Why a run was left as it was, for people, by the code that its row keeps."""
SLICE_RUNS = 200
"""The most runs of one transaction."""
SAVED = dt.timedelta(seconds=2)
"""What an action that was kept waiting may catch up on: its pace holds over a few seconds."""


def apply(action: BulkAction, meant: Selection, keys: Sequence[int]) -> Sequence[BulkActionItem]:
    """Change the runs with these keys that fit, in the current transaction; the outcome of each.

    They are locked in the order of their keys: somebody who changes one of them is waited for.
    """
    if not keys:
        return []
    runs = TaskRun.objects.filter(pk__in=keys).order_by("pk").defer(*_LARGE)
    found = {run.pk: run for run in runs.select_for_update(of=("self",))}
    unfit = _unfit(action, meant, found)
    left = [
        _item(action, key, found.get(key), BulkOutcome.UNFIT, unfit.get(key, "gone"))
        for key in keys
        if key in unfit or key not in found
    ]
    fit = [run for key, run in found.items() if key not in unfit]
    return [*left, *_change(action, fit)]


def _unfit(action: BulkAction, meant: Selection, found: Mapping[int, TaskRun]) -> dict[int, str]:
    """Why which of these runs are left as they are. Looked at now that they are locked: nothing is
    kept of what was looked up before."""
    verb = RUN_VERBS[action.verb]
    mine: Any = TaskRun.objects.filter(pk__in=found)
    seen = match = set(mine.for_user(meant.user).values_list("pk", flat=True))
    if meant.run_ids is None:
        match = set(replace(meant).runs.filter(pk__in=found).values_list("pk", flat=True))
    left_out = verb.left_out(mine, named=meant.names_each, values=action.values)
    out = {why: set(runs.values_list("pk", flat=True)) for why, runs in left_out.items()}
    # Two people who act on the same runs cause one execution, even if a run fails again
    # in between.
    others = BulkActionItem.objects.exclude(action=action).filter(outcome=BulkOutcome.CHANGED)
    since = others.filter(run_id__in=found, at__gte=action.created_at)
    taken = set(since.values_list("run_id", flat=True))
    why = {}
    for key, run in found.items():
        checks = {
            "gone": key not in seen,
            "of_action": run.task == ACT_TASK,
            "acted_on": key in taken,
            "state": run.state not in verb.states,
            "no_match": key not in match,
            **{reason: key in theirs for reason, theirs in out.items()},
        }
        if reason := next((name for name, holds in checks.items() if holds), ""):
            why[key] = reason
    return why


def _change(action: BulkAction, runs: Sequence[TaskRun]) -> Sequence[BulkActionItem]:
    """Change all of these runs in one statement, or one by one if the database refuses that."""
    if not runs:
        return []
    try:
        with transaction.atomic():
            verb, by = RUN_VERBS[action.verb], action.requested_by
            verb.change_all(runs, values=action.values, by=by, bulk_action=action.pk)
    except (IntegrityError, DataError) as error:
        if len(runs) == 1:
            return [_item(action, runs[0].pk, runs[0], BulkOutcome.FAILED, str(error))]
        return [each for run in runs for each in _change(action, [run])]
    return [_item(action, run.pk, run, BulkOutcome.CHANGED) for run in runs]


def _item(
    action: BulkAction, key: int, run: TaskRun | None, outcome: BulkOutcome, detail: str = ""
) -> BulkActionItem:
    """What became of one run: ``detail`` says why it was left as it was (a key of
    :data:`WHY_UNFIT`) or what failed."""
    # The state of a run of another store is nobody's business.
    before = "" if run is None or detail == "gone" else run.state
    return BulkActionItem(
        action=action, run_id=key, outcome=outcome, before=before, detail=detail[:500]
    )


def slice_size(pace: int | None) -> int:
    """How many runs a slice has: what the pace allows in a second, if that is less."""
    return SLICE_RUNS if pace is None else max(1, min(SLICE_RUNS, pace))


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
    steps, result = _slices(action_id, clock), partial(_result, action_id)
    if current_run():
        in_slices(
            steps, result, seconds=ATTEMPT_SECONDS, pause=0, gives_way_after=UNDISTURBED_SECONDS
        )
    else:
        for _slice in steps:
            pass
    return result()


def _slices(action_id: int, clock: Clock) -> Iterator[None]:
    while action := BulkAction.objects.filter(pk=action_id).first():
        if not action.is_under_way:
            return
        user = get_user_model().objects.filter(pk=action.user_id).first()
        if user is None or not RUN_VERBS[action.verb].is_permitted(user):
            stop_for(action, NOT_PERMITTED)
            return
        now = clock()
        if action.next_at and action.next_at > now:
            wait = (action.next_at - now).total_seconds()
            raise Snooze(wait, checkpoint=_result(action_id))
        do_slice(action, user, now=now)
        yield


def _result(action_id: int) -> dict[str, Any]:
    action = BulkAction.objects.filter(pk=action_id).first()
    if action is None:
        return {"bulk_action": action_id, "state": "gone"}
    counts = {"changed": action.changed, "unfit": action.unfit, "failed": action.failed}
    return {"bulk_action": action.pk, "state": str(action.state), **counts}


def do_slice(action: BulkAction, user: Any, *, now: dt.datetime) -> None:
    """Do the next slice of an action, unless somebody else does it at the same time."""
    size = slice_size(action.pace)
    if action.is_of_chosen:
        meant = chosen(action.run_ids or (), user)
    else:
        meant = select(RunQuery.from_params(action.query), user)
    if action.run_ids is not None:
        left = [key for key in action.run_ids if key > action.position]
        keys = left[:size]
        found = Slice(keys, keys[-1] if keys else action.up_to, done=len(left) <= size)
    else:
        found = meant.slice(after=action.position, up_to=action.up_to, size=size)
        for _step in range(EMPTY_STEPS - 1):  # stretches without any are passed
            if found.keys or found.done:
                break
            found = meant.slice(after=found.read_to, up_to=action.up_to, size=size)
    despite_contention(partial(_transact, action, meant, found, now))


def _transact(read: BulkAction, meant: Selection, found: Slice, now: dt.datetime) -> None:
    with transaction.atomic():
        action = BulkAction.objects.select_for_update().get(pk=read.pk)
        if not action.is_under_way or action.position != read.position:
            return
        items = apply(action, meant, found.keys)
        BulkActionItem.objects.bulk_create(items)
        outcomes = Counter(str(each.outcome) for each in items)
        next_at = time_of_next(
            action.next_at, now=now, changed=outcomes["changed"], pace=action.pace
        )
        action.advance(position=found.read_to, outcomes=dict(outcomes), next_at=next_at)
        if found.done:
            action.refresh_from_db(fields=["failed"])
            if action.finish():
                record(action, AuditOutcome.FAILED if action.failed else AuditOutcome.DONE)
