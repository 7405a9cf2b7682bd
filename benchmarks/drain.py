"""Measures how many events a second a worker processes."""

from typing import Any

from django.db.models import Max, Min

from benchmarks.workers import ALL, wait_until_done, workers
from neural.events.insertion import EVENT_TASK
from neural.models import RunState, TaskRun


def drain_rate() -> float:
    """Handlers' runs a second from the first start to the last end, by two processes of one new
    worker. What the worker indexes meanwhile is not counted."""
    waiting = TaskRun.objects.filter(task=EVENT_TASK, state=RunState.PENDING)
    first = waiting.aggregate(Min("pk"))["pk__min"]
    with workers(ALL):
        wait_until_done(task=EVENT_TASK)
    runs = TaskRun.objects.filter(task=EVENT_TASK, pk__gte=first, state=RunState.SUCCEEDED)
    times: Any = runs.aggregate(Min("started_at"), Max("finished_at"))
    seconds = (times["finished_at__max"] - times["started_at__min"]).total_seconds()
    return float(runs.count() / seconds)
