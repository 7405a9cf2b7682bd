"""Runs of the pruning: the nightly ones, and those that people ask for."""

import datetime as dt
from collections.abc import Sequence

from django.apps import apps
from django.utils.translation import gettext as _

from neural.celeryapp.schedule_switches import off_schedules, switched_off
from neural.celeryapp.shipped_schedules import BEAT, ShippedSchedule
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


def why_idle(now: dt.datetime) -> str:
    """Why no schedule deletes anything; empty if one does, and in projects without
    django-celery-beat, which may have their own way."""
    if not apps.is_installed(BEAT):
        return ""
    schedules = apps.get_model(BEAT, "PeriodicTask")._default_manager.filter(task=PRUNE_TASK)
    if schedules.filter(enabled=True).exists():
        return ""
    off = switched_off(off_schedules(now).filter(task=PRUNE_TASK).values_list("pk", flat=True))
    return next((each.told for each in off.values()), _("there is no schedule for it"))
