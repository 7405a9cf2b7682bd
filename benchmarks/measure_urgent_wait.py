"""Measures the database of the environment; `urgent_wait` runs this module."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from benchmarks.load.events import sales_report, submit_all, timed  # noqa: E402
from benchmarks.machine import idle_share  # noqa: E402
from benchmarks.workers import ALL, HIGH, workers  # noqa: E402
from neural.models import RunState, TaskRun  # noqa: E402

LOW_MILLISECONDS = 20
PAUSE_SECONDS = 0.05


def main(urgent: int, history: int, *backlogs: int) -> None:
    call_command("migrate", verbosity=0)
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
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.load.history"])
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
    TaskRun.objects.filter(state=RunState.PENDING).delete()
    return {**_percentiles(name), "low_runs_left_at_the_end": left, "idle_before": idle_before}


def _until_low_runs_are_worked_on() -> None:
    while not TaskRun.objects.filter(queue="low_priority", state=RunState.RUNNING).exists():
        time.sleep(0.05)
    time.sleep(3)


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
    main(*(int(number) for number in sys.argv[1:]))
