"""Measures what it costs that cancelling tells who listens to runs that end.

    python -m benchmarks.cancelling

Cancels the same number of waiting runs by one statement, in turn without telling anybody and as
``TaskRun.objects.cancel()`` does, of no batch and of one. Prints JSON: seconds, and processor time
a run.
"""

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    runs=(100_000, "runs of each measurement"),
    repeats=(3, "measurements of each kind"),
)

from django.db import connection, transaction

from neural.batches import recording
from neural.models import Batch, BatchKind, RunState, TaskRun
from neural.runs.models.new_run import new_task_id
from neural.runs.models.run import _CANCELLED, TaskRunQuerySet

TASK = "bench.note"
Cancel = Callable[[TaskRunQuerySet], int]


def untold(runs: TaskRunQuerySet) -> int:
    """Cancel without telling anybody."""
    return runs.filter(state=RunState.PENDING).update(**_CANCELLED)


def told(runs: TaskRunQuerySet) -> int:
    """Cancel as people do."""
    return runs.cancel()


def main(runs: int, repeats: int) -> None:
    figures: dict[str, list[dict[str, float]]] = {}
    batch = _filled(runs)
    for _repeat in range(repeats):
        for is_member in (False, True):
            for cancel in (untold, told):
                name = f"{cancel.__name__}, {'members' if is_member else 'of no batch'}"
                figures.setdefault(name, []).append(_measure(batch if is_member else None, cancel))
    json.dump({name: _medians(each) for name, each in figures.items()}, sys.stdout)


def _measure(batch: Batch | None, cancel: Cancel) -> dict[str, float]:
    mine: Any = TaskRun.objects.filter(task=TASK)
    runs = mine.update(state=RunState.PENDING, finished_at=None, batch=batch)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE neural_taskrun")
    began, processor = time.perf_counter(), time.process_time()
    with transaction.atomic():
        cancelled = cancel(mine)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    assert cancelled == runs, cancelled
    return {
        "seconds": seconds,
        "processor_us_a_run": processor / runs * 1e6,
    }


def _filled(runs: int) -> Batch:
    batch = recording.record(Batch(batch_id=new_task_id(), kind=BatchKind.BATCH))
    common = {"task": TASK, "queue": "default", "batch": batch, "options": {"root_id": "x"}}
    rows = (TaskRun(task_id=new_task_id(), args=[number], **common) for number in range(runs))
    TaskRun.objects.bulk_create(rows, batch_size=5000)
    return batch


def _medians(measured: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(median(each[key] for each in measured), 2) for key in measured[0]}


if __name__ == "__main__":
    main(OPTIONS.runs, OPTIONS.repeats)
