"""Measures how long an urgent event waits behind a backlog, from due to started.

    python -m benchmarks.urgent_wait                      SQLite and PostgreSQL
    python -m benchmarks.urgent_wait --database postgresql

The backlog is 10,000 and 100,000 low-priority runs of 20 ms, or history that is being loaded. One
worker serves `high_priority`, and another serves all queues. Prints JSON, in milliseconds.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    low=([10_000, 100_000], "runs of a backlog; several are measured one after the other"),
    urgent=(1000, "urgent events, 20 a second"),
    history=(5000, "events loaded beforehand"),
    settled=(3.0, "seconds for which a backlog is worked on before urgent events come"),
)


from benchmarks.load.events import sales_report, submit_all, timed
from benchmarks.machine import idle_share
from benchmarks.processes import ALL, HIGH, workers
from neural.models import RunState, TaskRun

LOW_MILLISECONDS = 20
PAUSE_SECONDS = 0.05
HISTORY = """
import django

django.setup()
from itertools import count

from benchmarks.load.events import sales_report, submit_all

submit_all((sales_report("history", each) for each in count()), backfill=True)
"""
"""Submits history as fast as it can, until it is stopped."""


def main(urgent: int, history: int, backlogs: Sequence[int]) -> None:
    figures = {f"behind_{low}_low_runs": _behind_low_runs(low, urgent) for low in backlogs}
    figures["behind_a_running_backfill"] = _behind_a_backfill(urgent, history)
    json.dump(figures, sys.stdout)


def _behind_low_runs(low: int, urgent: int) -> dict[str, Any]:
    name = f"low{low}"
    submit_all(timed("bench.low", f"{name}-{each}", LOW_MILLISECONDS) for each in range(low))
    return _measure(name, urgent)


def _behind_a_backfill(urgent: int, history: int) -> dict[str, Any]:
    """Waits of urgent events while history is submitted as fast as possible and processed."""
    submit_all((sales_report("head", each) for each in range(history)), backfill=True)
    with _loading():
        return _measure("backfill", urgent)


@contextmanager
def _loading() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", HISTORY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _measure(name: str, urgent: int) -> dict[str, Any]:
    idle_before = round(idle_share(), 2)
    with workers(HIGH, ALL):
        _until_low_runs_are_worked_on()
        for number in range(urgent):
            submit_all([timed("bench.urgent", f"{name}-urgent{number}", 0)])
            time.sleep(PAUSE_SECONDS)
        _wait_for_urgent()
        left = TaskRun.objects.filter(queue="low_priority", state=RunState.PENDING).count()
    TaskRun.objects.all().cancel()
    return {**_percentiles(name), "low_runs_left_at_the_end": left, "idle_before": idle_before}


def _until_low_runs_are_worked_on() -> None:
    while not TaskRun.objects.filter(queue="low_priority", state=RunState.RUNNING).exists():
        time.sleep(0.05)
    time.sleep(OPTIONS.settled)


def _wait_for_urgent() -> None:
    waiting = TaskRun.objects.filter(queue="high_priority").exclude(state=RunState.SUCCEEDED)
    while waiting.exists():
        time.sleep(0.1)


def _percentiles(name: str) -> dict[str, float]:
    runs = TaskRun.objects.filter(event__event_id__startswith=f"{name}-urgent")
    times = runs.values_list("available_at", "started_at")
    waits = sorted((started - due).total_seconds() * 1000 for due, started in times if started)
    at = {f"p{share}": waits[min(len(waits) - 1, len(waits) * share // 100)] for share in (50, 99)}
    return {key: round(value, 1) for key, value in (*at.items(), ("max", waits[-1]))}


if __name__ == "__main__":
    main(OPTIONS.urgent, OPTIONS.history, OPTIONS.low)
