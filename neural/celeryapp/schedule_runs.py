"""The runs of a schedule in the ledger, told by their task ids.

A run's task id names its schedule and the time: ``schedule-7-2026-03-02T01:01:30.000000Z`` is what
beat recorded for a due time, and ``schedule-7-2026-03-02T01:05:00.123456Z-4f1c9a`` what a person
asked for. So all runs of a schedule lie side by side in the index of task ids, in the order of
these times, whatever the order of letters that the database uses.
"""

import datetime as dt
import secrets

from django.db.models import CharField, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Concat

from neural.models import RunState, TaskRun
from neural.models.run import TaskRunQuerySet

# As long as a time in a task id, and of the same shape.
_FIRST, _LAST = "1970-01-01T00:00:00.000000Z", "2999-12-31T23:59:59.999999Z"
MOST_UNFINISHED_LOOKED_AT = 1000
"""How many of a schedule's newest runs the guard against overlaps reads."""


def prefix_of(schedule_id: int) -> str:
    """How the task ids of a schedule's runs begin."""
    return f"schedule-{schedule_id}-"


def run_id(schedule_id: int, due_at: dt.datetime) -> str:
    """The task id of the run that beat records for a due time."""
    return f"{prefix_of(schedule_id)}{_said(due_at)}"


def run_id_by_hand(schedule_id: int, now: dt.datetime) -> str:
    """A task id for a run that a person asks for."""
    return f"{run_id(schedule_id, now)}-{secrets.token_hex(3)}"


def _said(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def runs_of(schedule_id: int) -> TaskRunQuerySet:
    """All runs of a schedule, newest first."""
    prefix = prefix_of(schedule_id)
    near = TaskRun.objects.filter(task_id__gte=prefix + _FIRST, task_id__lte=prefix + _LAST + "-z")
    # Some orders of letters leave out hyphens, and put other schedules' runs in between.
    return near.filter(task_id__startswith=prefix).order_by("-task_id")


def unfinished_run_of(schedule_id: int) -> str:
    """The task id of a run of this schedule that waits or works, among its newest runs; empty if
    there is none."""
    newest = runs_of(schedule_id).values_list("task_id", "state")[:MOST_UNFINISHED_LOOKED_AT]
    states = (RunState.PENDING, RunState.RUNNING)
    return next((task_id for task_id, state in newest.iterator() if state in states), "")


def newest_run(visible: TaskRunQuerySet) -> Subquery:
    """For a query of PeriodicTask: the key of each schedule's newest run among the visible ones."""
    prefix = Concat(Value("schedule-"), Cast(OuterRef("pk"), CharField()), Value("-"))
    theirs = visible.filter(
        task_id__gte=Concat(prefix, Value(_FIRST)),
        task_id__lte=Concat(prefix, Value(_LAST + "-z")),
        task_id__startswith=prefix,
    )
    return Subquery(theirs.order_by("-task_id").values("pk")[:1])
