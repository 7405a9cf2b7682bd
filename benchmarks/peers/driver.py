"""Runs one step of one system, in the venv and with the settings of that system.

    python -m benchmarks.peers.driver SYSTEM prepare|submit|submit_many|drain NUMBER

``SYSTEM`` is the dotted path of a :class:`System` within this folder. The figure is printed as a
line of JSON.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import django
from django.core.management import call_command
from django.db import connection
from django.utils.module_loading import import_string

from benchmarks.peers.work import (
    DEMAND_TABLE,
    Demand,
    System,
    reports,
)

STOP_SECONDS = 30
LOG_BYTES = 8000


class WorkerEnded(Exception):
    """A worker ended while there was work left."""


class Workers:
    """The started processes. Their output is shown if a drain fails."""

    def __init__(self, commands: list[list[str]]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._processes = [
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
            )
            for command in commands
        ]

    def must_live(self) -> None:
        """Raise unless all of them are running."""
        for process in self._processes:
            if process.poll() is not None:
                raise WorkerEnded(f"code {process.returncode}: {process.args!r}")

    def show_output(self) -> None:
        """Print the end of their output to stderr."""
        self._output.seek(0)
        text = self._output.read().decode(errors="replace")
        print(text[-LOG_BYTES:], file=sys.stderr)

    def stop(self) -> None:
        """Ask all processes to end, and kill those that do not."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def running(commands: list[list[str]]) -> Iterator[Workers]:
    """Run these workers as long as the block lasts."""
    workers = Workers(commands)
    try:
        yield workers
    except BaseException:
        workers.show_output()
        raise
    finally:
        workers.stop()


django.setup()


POLL_SECONDS = 0.5


class WorkWasLost(Exception):
    """A drain ended with other rows than the events require, or did not end."""


def main(name: str, step: str, number: int) -> None:
    system: System = import_string(f"benchmarks.peers.{name}")
    steps = {
        "prepare": prepare,
        "submit": submit_rate,
        "submit_many": submit_many_rate,
        "drain": drain_rate,
    }
    print(json.dumps({"rate": steps[step](system, number)}))


def prepare(system: System, number: int) -> float:
    """Create the tables of a new database; nothing is measured."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(DEMAND_TABLE)
        if system.prepare:
            cursor.execute(system.prepare)
    return 0


def submit_rate(system: System, number: int) -> float:
    """Events a second, submitted one by one."""
    assert system.submit is not None
    submit, events = system.submit, reports(number)
    started = time.perf_counter()
    for report in events:
        submit(report)
    return number / (time.perf_counter() - started)


def submit_many_rate(system: System, number: int) -> float:
    """Events a second, all submitted at once."""
    assert system.submit_many is not None
    events = reports(number)
    started = time.perf_counter()
    system.submit_many(events)
    return number / (time.perf_counter() - started)


def drain_rate(system: System, number: int) -> float:
    """Events a second, from the first start to the last outcome in the database."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with running(system.workers) as workers:
        deadline = time.monotonic() + 120 + number / 10
        while _succeeded(system) < number:
            workers.must_live()
            if time.monotonic() > deadline:
                raise WorkWasLost(f"{_succeeded(system)} of {number} have succeeded in time")
            time.sleep(POLL_SECONDS)
    check(system, number)
    return number / _seconds(system)


def check(system: System, number: int) -> None:
    """Raise unless every event is recorded and done exactly once."""
    recorded, done = _row(system.events)[0], _succeeded(system)
    if recorded != number or done != number:
        raise WorkWasLost(f"{number} submitted, {recorded} recorded, {done} outcomes")
    demand = Demand(*_row(system.demand))
    if demand != system.expected(number):
        raise WorkWasLost(f"demand is {demand}, should be {system.expected(number)}")


def _seconds(system: System) -> float:
    statement = f"""
        SELECT extract(epoch FROM finished - LEAST(started, first_write))
        FROM ({system.outcomes}) AS outcomes (succeeded, started, finished),
             (SELECT min(first_at) FROM peers_demand) AS written (first_write)
    """
    return float(_row(statement)[0])


def _succeeded(system: System) -> int:
    return int(_row(system.outcomes)[0])


def _row(statement: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
