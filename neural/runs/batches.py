"""Batches for people: how many members are in each state, which of them are dead or slow; and
batches as a filter of runs.

A list counts a bounded number of members in each state, by the index of runs by batch and state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import IntegerField, OuterRef, Q, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.batches.models import AS_RUNS
from neural.kit.keyset.planning import WholeNumbers
from neural.kit.keyset.walks import Place, Walk, indexes_alone
from neural.models import AwaitedMember, AwaitedState, Batch, RunState, TaskRun
from neural.runs.filters import RunFilter, register_run_filter
from neural.runs.query import EVER, RunQuery
from neural.runs.selecting import Selection

FILTER = "batch"
"""The parameter: the number of a batch."""
COUNTED = 10_000
"""So many members in a state are counted in a list."""
SHOWN: Mapping[str, int] = {
    RunState.DEAD: 20,
    RunState.RUNNING: 20,
    RunState.CANCELLED: 10,
    RunState.DISCARDED: 10,
    RunState.PENDING: 10,
    RunState.SUCCEEDED: 20,
}
"""The most members of each state that a page shows, in its order."""
OTHERS = FOLLOWERS = 20
_LARGE = ("args", "kwargs", "result", "options")


class Bounded(Subquery):
    """How many rows a correlated query has, at most as many as it is limited to."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def counts_of(batches: Sequence[Batch]) -> dict[int, dict[str, int]]:
    """How many members these batches have in each state, by their keys; read by one statement.
    Those of a state with :data:`COUNTED` members were not counted to the end."""
    # A range, in the order of the index, and indexes alone: else PostgreSQL would read all runs
    # that wait, whosever they are, if its statistics are from before the backlog.
    runs = TaskRun.objects.filter(batch=OuterRef("pk")).order_by("state", "-pk").values("pk")
    others = AwaitedMember.objects.order_by().filter(batch_key=OuterRef("batch_id")).values("pk")
    mine = {
        f"runs_{state}": Bounded(runs.filter(state__range=(state, state))[:COUNTED])
        for state in RunState
    }
    plain = {
        f"others_{state}": Bounded(others.filter(state=awaited)[:COUNTED])
        for awaited, state in AS_RUNS.items()
    }
    asked = Batch.objects.order_by().filter(pk__in=[each.pk for each in batches])
    with indexes_alone(asked.db):
        rows = list(asked.annotate(**mine, **plain).values("pk", *mine, *plain))
    return {
        row["pk"]: {
            state: row[f"runs_{state}"] + row.get(f"others_{state}", 0) for state in RunState.values
        }
        for row in rows
    }


def members_of(batch: Batch, user: Any) -> list[TaskRun]:
    """Members that the user may see: the dead first, then those that have been running longest,
    then the newest of each other state."""
    every = RunQuery(period=EVER, others={FILTER: str(batch.pk)})
    keys = [
        key
        for state, most in SHOWN.items()
        if state != RunState.RUNNING
        for key in Selection(replace(every, state=state), user).page(place=Place(), size=most).keys
    ]
    mine: Any = TaskRun.objects.for_user(user).select_related("store").defer(*_LARGE)
    longest = mine.running().filter(batch=batch).order_by("started_at")
    runs = mine.in_bulk(keys)
    found = [*(runs[key] for key in keys if key in runs), *longest[: SHOWN[RunState.RUNNING]]]
    return sorted(found, key=lambda run: [*SHOWN].index(run.state))


def others_of(batch: Batch) -> list[AwaitedMember]:
    """Members that are no runs of the ledger, those that did not succeed first."""
    mine = AwaitedMember.objects.filter(batch_key=batch.batch_id).defer("value")
    order = (AwaitedState.FAILED, AwaitedState.REVOKED, AwaitedState.OPEN, AwaitedState.SUCCEEDED)
    return [each for state in order for each in mine.filter(state=state)[:OTHERS]][:OTHERS]


def followers_of(batch: Batch, user: Any) -> list[TaskRun]:
    """The runs that follow a batch, as far as the user may see them: the newest callbacks, or the
    body of a chord, of which the id is known before."""
    mine: Any = TaskRun.objects.for_user(user).defer(*_LARGE)
    body = mine.filter(task_id=_task_id(batch.options.get("body") or {}))
    # The second condition is that of the index.
    begun = mine.filter(parent_task_id=batch.batch_id).exclude(parent_task_id="")
    return [*body, *begun.order_by("-pk")[:FOLLOWERS]]


def _task_id(signature: Mapping[str, Any]) -> str:
    """The task id of a signature; of a chain, that of its first task."""
    if signature.get("task") == "celery.chain":
        return _task_id(signature["kwargs"]["tasks"][0])
    return (signature.get("options") or {}).get("task_id") or ""


def followed_by(run: TaskRun, header: Any, user: Any) -> Batch | None:
    """The batch that a run follows, if the user may see it; ``header`` is the option of a body that
    gets the results of one."""
    if header:
        return visible_batch(user, pk=header["batch"])
    return visible_batch(user, batch_id=run.parent_task_id) if run.parent_task_id else None


def visible_batch(user: Any, **which: Any) -> Batch | None:
    """A batch, if the user may see it."""
    mine: Any = Batch.objects.for_user(user)
    found: Batch | None = mine.filter(**which).first()
    return found if user.has_perm("neural.view_batch") else None


def _check(value: str) -> str:
    if value in WholeNumbers():
        return ""
    return _("“%(value)s” is not the number of a batch.") % {"value": value[:100]}


def _walk(value: str, state: str) -> Walk:
    return Walk(
        parameter=FILTER,
        also="state",
        column="state",
        condition=Q(batch=int(value)),
        prefixes=(state,) if state else RunState.values,
    )


OF_BATCH = RunFilter(
    name=FILTER,
    label=gettext_lazy("batch"),
    condition=lambda user, value: Q(batch=int(value)),
    check=_check,
    shown=lambda user, value: str(visible_batch(user, pk=value) or ""),
    walk=_walk,
)


def connect() -> None:
    """Register the filter."""
    register_run_filter(OF_BATCH)
