"""Applies a verb to the runs of one slice, and says what became of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from neural.errors import NeuralError
from neural.models import BulkAction, BulkActionItem, BulkOutcome, TaskRun
from neural.models.run_log import log_change
from neural.runs.bulk.asking import ACT_TASK
from neural.runs.bulk.listeners import notify_changed
from neural.runs.bulk.verbs import EFFECTS
from neural.runs.query import RunQuery
from neural.runs.selecting import matching

_LARGE = ("args", "kwargs", "result")

WHY_UNFIT: Mapping[str, Any] = {
    "state": _("its state does not allow it"),
    "gone": _("it does not exist any more, or is of a store that the user does not see"),
    "no_match": _("it no longer matches the filter"),
    "of_action": _("it does a bulk action, which is stopped on its own page"),
    "payload_pruned": _("its event's payload was pruned"),
    "there_already": _("it is on that queue already"),
    "acted_on": _("another bulk action changed it meanwhile"),
}
"""Why a run was left as it was, for people, by the code that its row keeps."""


class RunsNotLocked(NeuralError):
    """The database changed runs that this transaction had locked; nothing of the slice is kept."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What became of one run: ``before`` is its state before, ``detail`` says why it was left as it
    was (a key of :data:`WHY_UNFIT`) or what failed."""

    run_id: int
    outcome: BulkOutcome
    before: str = ""
    detail: str = ""


def apply(
    action: BulkAction, user: Any, query: RunQuery | None, keys: Sequence[int]
) -> Sequence[Applied]:
    """Change the runs with these keys that fit, in the current transaction; the outcome of each."""
    if not keys:
        return []
    found = _locked(keys)
    unfit = _unfit(action, user, query, found)
    unfit |= dict.fromkeys(set(keys) - set(found), "gone")
    left = [_left(key, found, why) for key, why in unfit.items()]
    fit = [run for key, run in found.items() if key not in unfit]
    return [*left, *_change(action, fit)]


def _locked(keys: Sequence[int]) -> dict[int, TaskRun]:
    """The runs, locked in the order of their keys: somebody who changes one of them is waited
    for."""
    runs = TaskRun.objects.filter(pk__in=keys).order_by("pk").defer(*_LARGE)
    return {run.pk: run for run in runs.select_for_update(of=("self",))}


def _unfit(
    action: BulkAction, user: Any, query: RunQuery | None, found: Mapping[int, TaskRun]
) -> dict[int, str]:
    """Why which of these runs are left as they are. Looked at now that they are locked."""
    effect = EFFECTS[action.verb]
    mine: Any = TaskRun.objects.filter(pk__in=found)
    seen = set(mine.for_user(user).values_list("pk", flat=True))
    match = seen if query is None else _still_matching(query, user, found)
    excluded = effect.excluded(action.values)
    out = set() if excluded is None else set(mine.filter(excluded).values_list("pk", flat=True))
    taken = _acted_on_since(action, found)
    why = {}
    for key, run in found.items():
        checks = {
            "gone": key not in seen,
            "of_action": run.task == ACT_TASK,
            "acted_on": key in taken,
            "state": run.state not in effect.states,
            "no_match": key not in match,
            effect.why_excluded: key in out,
        }
        if reason := next((name for name, holds in checks.items() if holds), ""):
            why[key] = reason
    return why


def _still_matching(query: RunQuery, user: Any, found: Mapping[int, TaskRun]) -> set[int]:
    return set(matching(query, user).filter(pk__in=found).values_list("pk", flat=True))


def _acted_on_since(action: BulkAction, found: Mapping[int, TaskRun]) -> set[int]:
    """The runs that another action has changed since this one began. Two people who act on the same
    runs cause one execution, even if a run fails again in between."""
    others = BulkActionItem.objects.exclude(action=action).filter(outcome=BulkOutcome.CHANGED)
    since = others.filter(run_id__in=found, at__gte=action.created_at)
    return set(since.values_list("run_id", flat=True))


def _left(key: int, found: Mapping[int, TaskRun], why: str) -> Applied:
    before = "" if why == "gone" else found[key].state  # of another store: nobody's business
    return Applied(run_id=key, outcome=BulkOutcome.UNFIT, before=before, detail=why)


def _change(action: BulkAction, runs: Sequence[TaskRun]) -> Sequence[Applied]:
    """Change all of these runs in one statement, or one by one if the database refuses that."""
    if not runs:
        return []
    try:
        with transaction.atomic():
            _update(action, runs)
    except (IntegrityError, DataError) as error:
        if len(runs) == 1:
            return [_applied(runs[0], BulkOutcome.FAILED, detail=str(error))]
        return [each for run in runs for each in _change(action, [run])]
    return [_applied(run, BulkOutcome.CHANGED) for run in runs]


def _update(action: BulkAction, runs: Sequence[TaskRun]) -> None:
    effect = EFFECTS[action.verb]
    keys = [run.pk for run in runs]
    rows: Any = TaskRun.objects.filter(pk__in=keys, state__in=effect.states)
    if effect.change(rows, action.values) != len(runs):
        raise RunsNotLocked(f"{action}: runs changed although they were locked")
    notify_changed(action.verb, keys)
    facts: dict[str, Any] = {"by": action.requested_by, "bulk_action": action.pk}
    transaction.on_commit(partial(log_change, effect.logged, runs, **facts), robust=True)


def _applied(run: TaskRun, outcome: BulkOutcome, *, detail: str = "") -> Applied:
    return Applied(run_id=run.pk, outcome=outcome, before=run.state, detail=detail)
