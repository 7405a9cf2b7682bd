"""When each schedule's last run succeeded, for the metrics."""

import time
from collections.abc import Sequence
from typing import Any

from django.apps import apps

from neural.models import RunState, TaskRun

RUNS_LOOKED_AT = 200
"""How many of the newest runs of each scheduled task are looked at."""
KEPT_SECONDS = 60
"""Schedules are looked at this often at most: each of their tasks costs a query."""

_kept: tuple[float, list[tuple[Sequence[str], float]]] | None = None


def last_successes() -> list[tuple[Sequence[str], float]]:
    """Names of enabled schedules with the time at which their last run succeeded, in seconds since
    1970. Schedules of plain Celery tasks, whose outcomes the ledger does not know, are left out."""
    global _kept
    if not apps.is_installed("django_celery_beat"):
        return []
    if _kept is None or time.monotonic() - _kept[0] >= KEPT_SECONDS:
        _kept = (time.monotonic(), _found())
    return _kept[1]


def _found() -> list[tuple[Sequence[str], float]]:
    schedules = apps.get_model("django_celery_beat", "PeriodicTask")._default_manager
    enabled = schedules.filter(enabled=True).order_by("pk").values_list("pk", "name", "task")
    found: list[tuple[Sequence[str], float]] = []
    runs: dict[str, list[Any]] = {}
    for key, name, task in enabled:
        if task not in runs:
            runs[task] = _newest(task)
        mine = (at for task_id, at in runs[task] if task_id.startswith(f"schedule-{key}-"))
        if (last := max(mine, default=None)) is not None:
            found.append(([name], last.timestamp()))
    return found


def _newest(task: str) -> list[Any]:
    newest = TaskRun.objects.filter(task=task, event=None).order_by("-pk")
    rows = newest.values_list("task_id", "finished_at", "state")[:RUNS_LOOKED_AT]
    return [(task_id, at) for task_id, at, state in rows if state == RunState.SUCCEEDED]
