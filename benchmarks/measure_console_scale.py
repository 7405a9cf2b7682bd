"""Measures the database of the environment; `console_scale` runs this module."""

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.http_settings"

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db.models import Max  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_celery_beat.models import CrontabSchedule, PeriodicTask  # noqa: E402

from benchmarks.console import acting_rows, figure_rows, ledger_rows  # noqa: E402
from benchmarks.console.alone import costs  # noqa: E402
from benchmarks.console.exporting import file_of_runs  # noqa: E402
from benchmarks.console.pages import viewers  # noqa: E402
from benchmarks.console.walking import Waits, walk  # noqa: E402
from benchmarks.growth.ledger import execute, rows  # noqa: E402
from benchmarks.machine import idle_share  # noqa: E402
from benchmarks.web_processes import web_processes  # noqa: E402
from benchmarks.workers import ALL, HIGH, workers  # noqa: E402
from neural.models import RunState, TaskRun  # noqa: E402

PROCESS_WAIT = 120
TABLES = 12
"""The largest tables that are reported."""


def main(runs: int, days: int, rate: int, number: int, seconds: int, pause_ms: int) -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    filled = None if TaskRun.objects.exists() else _fill(runs, days)
    acting_rows.fill(runs)
    idle = round(idle_share(), 2)
    live = _newest()
    with web_processes() as (port, processes), workers(HIGH, ALL), beat(), submitter(rate):
        walkers, not_walked = viewers(number, runs=runs)
        walk(port, walkers, seconds=0, pause=pause_ms / 2000)  # templates, connections, caches
        alone = costs(walkers)
        _wait_until_drained(since=live, most=2 * rate)
        began, busy = timezone.now(), _processor_seconds(processes)
        waits = walk(port, walkers, seconds=seconds, pause=pause_ms / 1000)
        busy = _processor_seconds(processes) - busy
        drained = _drained(live, began)
    figures = {
        "idle_before": idle,
        "filled_seconds": filled,
        "runs": runs,
        **drained,
        "web_processor_ms_a_request": round(1000 * busy / sum(map(len, waits.values())), 1),
        "pages": _by_page(waits),
        "not_walked": not_walked,
        "alone": alone,
        "file": file_of_runs(walkers[0]),
        "megabytes": _sizes(),
    }
    json.dump(figures, sys.stdout)


def _fill(runs: int, days: int) -> float:
    began = time.perf_counter()
    ledger_rows.fill(runs)
    figure_rows.fill(days)
    _schedules()
    execute("ANALYZE")
    return round(time.perf_counter() - began)


def _schedules() -> None:
    """Nightly schedules besides the project's own."""
    nightly, _ = CrontabSchedule.objects.get_or_create(minute="10", hour="3", timezone="UTC")
    for place in range(ledger_rows.SCHEDULES - PeriodicTask.objects.count()):
        PeriodicTask.objects.create(
            name=f"chain: nightly work {place}",
            task="neural.tasks.tend_search_indexes",
            crontab=nightly,
        )


@contextmanager
def beat() -> Iterator[None]:
    """Celery's beat, as `manage.py up` starts it."""
    with _running([sys.executable, "-m", "celery", "--quiet", "-A", "zhilian", "beat"]):
        yield


@contextmanager
def submitter(rate: int) -> Iterator[None]:
    """A process that submits so many events a second."""
    with _running([sys.executable, "-m", "benchmarks.console.submitting", str(rate)]):
        yield


@contextmanager
def _running(command: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=sys.stderr)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"ended before its time: {' '.join(command)}")
    finally:
        process.terminate()
        process.wait()


def _wait_until_drained(*, since: int, most: int) -> None:
    """Wait until workers drain, and at most so many runs wait from the time of their start."""
    live, deadline = TaskRun.objects.filter(pk__gt=since), time.monotonic() + PROCESS_WAIT
    while time.monotonic() < deadline:
        if live.filter(state=RunState.SUCCEEDED).exists() and live.due().count() <= most:
            return
        time.sleep(0.2)
    raise RuntimeError(f"the workers did not drain what was submitted within {PROCESS_WAIT} s")


def _processor_seconds(processes: Sequence[int]) -> float:
    """Processor time that these processes have used."""
    told = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2] for each in processes]
    ticks = sum(int(number) for each in told for number in each.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _newest() -> int:
    return TaskRun.objects.aggregate(newest=Max("pk"))["newest"] or 0


def _drained(live: int, began: dt.datetime) -> dict[str, float]:
    """Runs a second that were submitted and that succeeded, and those that wait now."""
    new = TaskRun.objects.filter(pk__gt=live)
    done = new.filter(state=RunState.SUCCEEDED, finished_at__gte=began)
    submitted = new.filter(created_at__gte=began)
    seconds = (timezone.now() - began).total_seconds()
    return {
        "seconds": round(seconds, 1),
        "submitted_per_second": round(submitted.count() / seconds, 1),
        "drained_per_second": round(done.count() / seconds, 1),
        "waiting_at_end": new.due().count(),
    }


def _by_page(waits: Waits) -> dict[str, dict[str, float]]:
    return {name: _spread(sorted(own)) for name, own in sorted(waits.items())} | {
        "all": _spread(sorted(wait for own in waits.values() for wait in own))
    }


def _spread(waits: Sequence[float]) -> dict[str, float]:
    at = {"p50_ms": 0.5, "p95_ms": 0.95, "max_ms": 1.0}
    last = len(waits) - 1
    found = {name: round(1000 * waits[round(last * share)], 1) for name, share in at.items()}
    return {"visits": len(waits), **found}


def _sizes() -> dict[str, Any]:
    found = rows(
        "SELECT relname, pg_total_relation_size(relid) / 1000000 FROM pg_stat_user_tables"
        " ORDER BY 2 DESC LIMIT %s",
        [TABLES],
    )
    ((whole,),) = rows("SELECT pg_database_size(current_database()) / 1000000")
    return {"database": int(whole), **{name: int(size) for name, size in found}}


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main(*(int(number) for number in sys.argv[1:]))
