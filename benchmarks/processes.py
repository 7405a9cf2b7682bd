"""Starts the measured workers and waits until they are done, or does their work in this process."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import current_app
from django.db import connection
from django.db.models import Max, Min

from neural.events.insertion import EVENT_TASK
from neural.events.registry import atomic_handler_names
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.models import RunState, TaskRun
from neural.worker.in_turn import run_in_turn

HIGH = ("high", "high_priority", 1)
ALL = ("all", "high_priority,default,low_priority", 2)
"""A worker's name, queues and number of pool processes."""


@contextmanager
def workers(*kinds: tuple[str, str, int]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Workers that run during the block and are stopped gracefully at its end."""
    started = [_worker(*kind) for kind in kinds]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def _worker(name: str, queues: str, concurrency: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "manage.py", "worker", "--name", name, "--queues", queues]
    return subprocess.Popen([*command, "--concurrency", str(concurrency)], stdout=sys.stderr)


def wait_until_done(**filters: object) -> None:
    """Wait until no run is left."""
    left = TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING), **filters)
    while left.exists():
        time.sleep(0.2)


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


def drain_here(queue: str) -> None:
    """Run what is due on a queue, fifty runs at a time, as a worker does."""
    source: Any = current_app.tasks[EVENT_TASK]
    common: Any = {"task_id": "", "claimant": Claimant(), "queue": queue}
    while runs := claim(**common, batchable=atomic_handler_names(), limit=50):
        run_claimed(source, runs)


def drain_in_turn_here(task: str, queue: str) -> None:
    """Run a task's due runs on a queue each in a transaction of its own, as a worker does."""
    source: Any = current_app.tasks[task]
    common: Any = {"task_id": "", "task": task, "claimant": Claimant(), "queue": queue}
    while runs := claim(**common, batchable=[""], limit=50, in_turn=True):
        run_in_turn(source, runs, own="")


def log_position() -> float:
    """Bytes that PostgreSQL has written to its log so far; 0 on SQLite."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return float(cursor.fetchone()[0])
