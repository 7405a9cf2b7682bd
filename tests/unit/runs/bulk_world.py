"""Bulk actions for tests: runs, the users who act on them, and the work of a worker."""

import datetime as dt
from collections import Counter
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from neural.ledger.work import Snooze
from neural.models import BulkAction, BulkActionItem, RunState, TaskRun
from neural.runs.bulk import acting
from neural.runs.bulk.beginning import begin_bulk_action
from neural.runs.query import RunQuery
from tests.unit.factories import make_run, make_store

EVERY_VERB = ("retry", "hurry", "cancel", "discard", "move")


def operator(name: str = "lee", *, verbs: Any = EVERY_VERB, stores: Any = ()) -> Any:
    """A user who may apply these verbs, to the runs of these stores or of all."""
    user = get_user_model().objects.create_user(name, is_staff=True)
    names = ["view_taskrun", "view_bulkaction", *(f"{verb}_taskrun" for verb in verbs)]
    names += [] if stores else ["view_every_store"]
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="neural", codename__in=names)
    )
    for store in stores:
        store.operators.add(user)
    return get_user_model().objects.get(pk=user.pk)


def make_runs(count: int, state: RunState = RunState.DEAD, **fields: Any) -> list[TaskRun]:
    return [make_run(state, **fields) for _ in range(count)]


def act_on_all(user: Any, verb: str = "retry", **asked: Any) -> BulkAction:
    """Begin an action on all runs that match a query, by default all of the verb's usual state."""
    params = asked.pop("params", {"period": "all"})
    asked = {"reason": "the till is mended", "token": f"form of {user.pk} for {verb}"} | asked
    if "run_ids" not in asked:
        asked["query"] = RunQuery.from_params(params)
    return begin_bulk_action(verb=verb, user=user, **asked).action


def work(action: BulkAction, **options: Any) -> float | None:
    """Do what one attempt of the action's run does. Returns how long it is snoozed, if it is."""
    try:
        acting.act(action_id=action.pk, **options)
    except Snooze as snooze:
        return snooze.seconds
    return None


def finish(action: BulkAction) -> BulkAction:
    """Do all of the action's slices."""
    assert work(action) is None
    action.refresh_from_db()
    return action


def states() -> Counter[str]:
    """How many runs are in which state, without those that do bulk actions."""
    runs = TaskRun.objects.exclude(task="neural.tasks.act_on_runs")
    return Counter(runs.values_list("state", flat=True))


def outcomes(action: BulkAction) -> Counter[str]:
    rows = BulkActionItem.objects.filter(action=action)
    return Counter(rows.values_list("outcome", flat=True))


class Clock:
    """The database's time, as a test says it passes."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 11, 27, 8, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


__all__ = ["make_store"]
