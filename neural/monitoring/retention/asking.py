"""Runs of the pruning: the nightly ones, and those that people ask for."""

from collections.abc import Sequence

from neural.celeryapp.shipped_schedules import ShippedSchedule
from neural.ledger.record import enqueue
from neural.models import TaskRun
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE

PRUNE_TASK = "neural.tasks.prune_old_rows"
PRUNE_SCHEDULE = ShippedSchedule(
    name="neural: retention",
    task=PRUNE_TASK,
    description=(
        "Deletes what is finished and old, as the settings say (docs/commands.md, prune). Yours "
        "to change: it is made once and never overwritten."
    ),
    hour="4",
    minute="10",
)
NEWEST = 30
"""How many of the newest runs are looked at."""


def ask(*, dry_run: bool, by: str) -> TaskRun:
    """Record a run that prunes, or (``dry_run``) only counts; returns it, or the one that waits."""
    return enqueue(
        task=PRUNE_TASK,
        args=[],
        kwargs={"dry_run": dry_run},
        queue=LOW_PRIORITY_QUEUE,
        priority=LOW_PRIORITY,
        unique_key=f"{PRUNE_TASK} dry run" if dry_run else PRUNE_TASK,
        requested_by=by,
    )


def newest(*, dry_run: bool) -> Sequence[TaskRun]:
    """The newest runs that pruned, or only counted; the last one first."""
    runs = TaskRun.objects.filter(task=PRUNE_TASK, event=None).order_by("-pk")[:NEWEST]
    return [run for run in runs if bool(run.kwargs.get("dry_run")) is dry_run]
