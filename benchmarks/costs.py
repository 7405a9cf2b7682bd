"""Measures what an event costs: processor time, statements, bytes of PostgreSQL's log, memory.

    python -m benchmarks.costs                      SQLite and PostgreSQL
    python -m benchmarks.costs --runs 20000

Submits sales reports of three lines together, and drains them with one worker of two processes. The
workers' memory is read meanwhile. Prints JSON.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    runs=(100_000, "runs that a worker does"),
)

from django.db import connection

import neural
from benchmarks.load.events import sales_report, submit_all
from benchmarks.machine import busy_seconds, children, memory_kilobytes
from benchmarks.processes import ALL, drain_here, log_position, workers
from neural.models import RunState, TaskRun

FEW = 1000
LOOKS = 10


def main(runs: int) -> None:
    few = min(FEW, runs)
    figures = {
        "submit": _cost(few, lambda: _submit_each("single", few)),
        "submit_many": _cost(few * 10, lambda: _submit("many", few * 10)),
        "drain": _cost(few * 11, lambda: drain_here("default")),
        "worker": _worker(runs),
    }
    json.dump(figures, sys.stdout)


def _submit(source: str, number: int) -> None:
    submit_all(sales_report(source, each) for each in range(number))


def _submit_each(source: str, number: int) -> None:
    for each in range(number):
        neural.submit(**sales_report(source, each)).or_raise()


def _cost(events: int, work: Callable[[], None]) -> dict[str, Any]:
    """What this process and the database's server spend on each event. Anything else that runs on
    the machine is counted as the server's."""
    log, own, all_of_it = log_position(), time.process_time(), busy_seconds()
    with _statements() as counted:
        work()
    own, all_of_it = time.process_time() - own, busy_seconds() - all_of_it
    return {
        "processor_us_of_the_client": round(own / events * 1e6),
        "processor_us_of_all": round(all_of_it / events * 1e6),
        "statements": round(sum(counted.values()) / events, 3),
        "log_bytes": round((log_position() - log) / events),
    }


@contextmanager
def _statements() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()

    def count(execute: Any, sql: str, *arguments: Any) -> Any:
        counted[sql.split(maxsplit=1)[0]] += 1
        return execute(sql, *arguments)

    with connection.execute_wrapper(count):
        yield counted


def _worker(runs: int) -> dict[str, Any]:
    """Resident memory of the parent and of each pool process while the runs are processed."""
    _submit("worker", runs)
    left = TaskRun.objects.filter(state=RunState.PENDING)
    looks = []
    with workers(ALL) as (worker,):
        for step in range(1, LOOKS + 1):
            while left.count() > runs - runs * step // LOOKS:
                time.sleep(0.2)
            memory = _memory(worker.pid)
            looks.append({"runs": runs * step // LOOKS, "resident_mib": memory})
    return {"memory": looks}


def _memory(parent: int) -> list[int]:
    """Resident memory in MiB: the parent first, then its children."""
    return [round(memory_kilobytes(each) / 1024) for each in (parent, *children(parent))]


if __name__ == "__main__":
    main(OPTIONS.runs)
