"""Runs of the pruning: the nightly ones and those that people ask for, done slice by slice.

Each slice is a short attempt of one run, whose result says how far it has come. A run that is lost
goes on where its last slice ended; what it has deleted since is not counted.
"""

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from django.apps import apps
from django.utils.translation import gettext as _

from neural.events.changes import PAYLOADS, walk_payloads
from neural.kit.conf import conf
from neural.ledger.prune import PRUNABLES, Retention, Step, Walk, prune_workers, walk_old, walk_runs
from neural.ledger.record import enqueue
from neural.models import TaskRun
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.runs.slices import SLICE_SECONDS, Clock, in_slices
from neural.schedules.shipped import BEAT, ShippedSchedule
from neural.schedules.switches import off_schedules, switched_off

logger = logging.getLogger(__name__)

PRUNE_TASK = "neural.tasks.prune_old_rows"
PRUNE_SCHEDULE = ShippedSchedule(
    name="neural: retention",
    task=PRUNE_TASK,
    description=(
        "Deletes what is finished and old, as the settings say (docs/reference/commands.md, prune)."
        " Yours to change: it is made once and never overwritten."
    ),
    hour="4",
    minute="10",
)
NEWEST = 30
"""How many of the newest runs are looked at."""
RUNS = "runs"
WORKERS = "workers"


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
    return next((each.summary for each in off.values()), _("there is no schedule for it"))


class Kind(NamedTuple):
    """Rows of one kind, and the steps in which they are pruned, from a primary key on."""

    name: str
    walk: Callable[[int], Walk]


def prune_slice(
    *,
    checkpoint: Any,
    now: dt.datetime,
    dry_run: bool,
    seconds: float = SLICE_SECONDS,
    clock: Clock = time.monotonic,
) -> dict[str, Any]:
    """Prune for some seconds, from where the slice before ended (``checkpoint``); returns the
    numbers of rows. Raises :class:`~neural.ledger.work.Snooze` with a checkpoint while there is
    more to do."""
    progress: dict[str, Any] = {"now": now.isoformat(), "rows": {}, "slices": 0}
    progress["goes_on"] = {"kind": "", "after": 0}
    if isinstance(checkpoint, dict) and "goes_on" in checkpoint:
        progress |= checkpoint
    progress |= {"dry_run": dry_run, "slices": progress["slices"] + 1}
    in_slices(_steps(progress), lambda: progress, seconds=seconds, clock=clock)
    del progress["goes_on"]
    logger.info("event=rows_pruned dry_run=%s rows=%r", dry_run, progress["rows"])
    return progress


def _steps(progress: dict[str, Any]) -> Iterator[Step]:
    """The steps that are left. Ages count up to when the first slice began, in every slice."""
    left = kinds(now=dt.datetime.fromisoformat(progress["now"]), dry_run=progress["dry_run"])
    names, begin = [kind.name for kind in left], progress["goes_on"]
    for kind in left[names.index(begin["kind"]) if begin["kind"] in names else 0 :]:
        for step in kind.walk(begin["after"] if kind.name == begin["kind"] else 0):
            progress["goes_on"] = {"kind": kind.name, "after": step.after}
            progress["rows"] = dict(sorted((Counter(progress["rows"]) + step.pruned).items()))
            yield step


def kinds(*, now: dt.datetime, dry_run: bool) -> list[Kind]:
    """What is pruned, in this order: runs first, as events and workers are kept for their sake."""
    keep = Retention.of_settings()
    found = [Kind(RUNS, lambda after: walk_runs(now=now, keep=keep, dry_run=dry_run, after=after))]
    days = conf().payloads_kept_days
    if days is not None:
        found.append(Kind(PAYLOADS, _payloads(now, days, dry_run)))
    found += [Kind(each.name, _others(each, now, dry_run)) for each in PRUNABLES]
    return [*found, Kind(WORKERS, lambda after: _workers(now, dry_run, after))]


def _payloads(now: dt.datetime, days: float, dry_run: bool) -> Callable[[int], Walk]:
    return lambda after: walk_payloads(now=now, keep_days=days, dry_run=dry_run, after=after)


def _others(prunable: Any, now: dt.datetime, dry_run: bool) -> Callable[[int], Walk]:
    return lambda after: walk_old(prunable, now=now, dry_run=dry_run, after=after)


def _workers(now: dt.datetime, dry_run: bool, after: int) -> Walk:
    """One step: there are few. After it there is nothing left."""
    if not after:
        yield Step(1, 1, Counter({WORKERS: prune_workers(now=now, dry_run=dry_run)}))
