"""Measures the console's pages over HTTP on a large ledger, while workers drain events.

    python -m benchmarks.console_scale                      10 million runs; needs 15 GB of disk
    python -m benchmarks.console_scale --runs 200000 --days 30 --seconds 30
    python -m benchmarks.console_scale --reuse              the rows of the run before

Fills a PostgreSQL database with finished runs of 400 days, their events and failed attempts, 300
stores, 60 works, 300 worker processes of which most are gone, 40 error groups, 50 schedules, 2,000
alerts, the figures of so many days, 20,000 orders, 200,000 entries of the audit log and 50 bulk
actions. Then two web processes, two workers and beat start as with `manage.py up`, a process
submits 500 sales reports a second, and ten viewers walk through the console's pages, each with a
session: they open a page, and the next one about a second after its answer. Every fifth viewer is
limited to five stores, and half of them read Chinese. Prints JSON: by page, visits and milliseconds
from connecting to the last byte; runs drained a second; megabytes; for a machine that others use,
too, what each page costs alone: processor time and statements; the pages that were left out because
they do not answer; and how fast a file of 200,000 runs is made.
"""

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from benchmarks import isolated
from benchmarks.machine import idle_share, machine, processor_seconds

DATABASE = "neural_console_scale"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How fast the console's pages are at scale.")
    parser.add_argument("--postgresql", default=isolated.SERVER, help="server to use")
    parser.add_argument("--name", default=DATABASE, help=f"its database (default {DATABASE})")
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=400, help="days of figures")
    parser.add_argument("--rate", type=int, default=500, help="events submitted a second")
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=120, help="how long they walk")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two pages")
    parser.add_argument("--visits", type=int, default=7, help="of each page alone")
    parser.add_argument("--keep", action="store_true", help="leave the database")
    parser.add_argument(
        "--reuse", action="store_true", help="measure the database that --keep has left"
    )
    return parser.parse_args()


def _measured_apart(options: argparse.Namespace) -> None:
    """Measure in a further process, on a database of its own, and print the figures."""
    server = isolated.Server(options.postgresql)
    if not options.reuse:
        server.create(options.name)
    figures: dict[str, Any] = {"machine": machine(), "server": server.settings()}
    try:
        with isolated.environment(server.url_of(options.name)) as variables:
            command = [sys.executable, "-m", "benchmarks.console_scale", *sys.argv[1:]]
            figures |= isolated.output(command, variables)
    finally:
        if not (options.keep or options.reuse):
            server.drop(options.name)
    json.dump(figures, sys.stdout, indent=2)
    print()


if __name__ == "__main__" and isolated.MEASURES not in os.environ:
    _measured_apart(_options())
    sys.exit()
isolated.set_up(migrates=__name__ == "__main__")

from django.core.management import call_command
from django.db.models import Max
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from benchmarks.console import figure_rows, ledger_rows
from benchmarks.console.pages import viewers
from benchmarks.console.walking import Waits, costs, file_of_runs, spread, walk
from benchmarks.growth.ledger import execute, rows
from benchmarks.http_load import web_processes
from benchmarks.processes import ALL, HIGH, workers
from neural.models import RunState, TaskRun

PROCESS_WAIT = 120
SUBMITTING = """
import sys
import django

django.setup()
from benchmarks.growth.ledger import STORES
from benchmarks.load.events import submit_for_ever

submit_for_ever(int(sys.argv[1]), stores=STORES)
"""
TABLES = 12
"""The largest tables that are reported."""


def measure(options: argparse.Namespace) -> None:
    runs = options.runs
    call_command("collectstatic", interactive=False, verbosity=0)
    filled = None if TaskRun.objects.exists() else _fill(runs, options.days)
    figure_rows.fill_acting(runs)
    idle = round(idle_share(), 2)
    live = _newest()
    with web_processes() as (port, processes), workers(HIGH, ALL), beat(), submitter(options.rate):
        walkers, not_walked = viewers(options.viewers, runs=runs)
        walk(port, walkers, seconds=0, pause=options.pause / 2)  # templates, connections, caches
        alone = costs(walkers, visits=options.visits)
        _wait_until_drained(since=live, most=2 * options.rate)
        began, busy = timezone.now(), processor_seconds(processes)
        waits = walk(port, walkers, seconds=options.seconds, pause=options.pause)
        busy = processor_seconds(processes) - busy
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
    with _running([sys.executable, "-c", SUBMITTING, str(rate)]):
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
    return {name: spread(own) for name, own in sorted(waits.items())} | {
        "all": spread([wait for own in waits.values() for wait in own])
    }


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
        measure(_options())
