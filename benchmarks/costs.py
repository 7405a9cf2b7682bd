"""Measures what an event costs: processor time, statements, bytes of PostgreSQL's log, memory.

    python -m benchmarks.costs                      SQLite and PostgreSQL
    python -m benchmarks.costs --runs 20000

Submits sales reports of three lines and calls a task, and does what is due as a worker does: events
together, calls each in a transaction of its own. Then one worker of two processes drains reports,
and its memory is read meanwhile. Prints JSON.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    runs=(100_000, "runs that a worker does"),
    on_request=(False, "a round of so many runs for each line that is read: its name"),
)

from django.db import connection

import neural
from benchmarks.load.events import sales_report, submit_all
from benchmarks.load.tasks import ended_at
from benchmarks.machine import busy_seconds, children, memory_kilobytes
from benchmarks.processes import ALL, drain_here, drain_in_turn_here, log_position, workers
from neural.models import RunState, TaskRun
from neural.queues import LOW_PRIORITY_QUEUE

FEW = 1000
LOOKS = 10


def main(runs: int, *, on_request: bool) -> None:
    if on_request:
        for line in sys.stdin:
            print(json.dumps(_round(line.strip(), runs)), flush=True)
        return
    figures: dict[str, Any] = _round("round", min(FEW, runs))
    figures["worker"] = _worker(runs)
    json.dump(figures, sys.stdout)


def _round(name: str, few: int) -> dict[str, dict[str, float]]:
    return {
        "submit": _cost(few, lambda: _submit_each(f"{name}-single", few)),
        "submit_many": _cost(few * 10, lambda: _submit(f"{name}-many", few * 10)),
        "drain": _cost(few * 11, lambda: drain_here("default")),
        "delay": _cost(few, lambda: _delay_each(few)),
        "drain_in_turn": _cost(few, lambda: drain_in_turn_here(ended_at.name, LOW_PRIORITY_QUEUE)),
    }


def _submit(source: str, number: int) -> None:
    submit_all(sales_report(source, each) for each in range(number))


def _submit_each(source: str, number: int) -> None:
    for each in range(number):
        neural.submit(**sales_report(source, each)).or_raise()


def _delay_each(number: int) -> None:
    """By calls to a queue of their own."""
    for _ in range(number):
        ended_at.apply_async(queue=LOW_PRIORITY_QUEUE)


def _cost(events: int, work: Callable[[], None]) -> dict[str, float]:
    """What this process spends on each event, and the server's process that answers it (if it is on
    this machine). Anything else that runs on the machine is in what all spend."""
    log, own, all_of_it = log_position(), time.process_time(), busy_seconds()
    answering = _answering_seconds()
    with _statements() as counted:
        work()
    own, all_of_it = time.process_time() - own, busy_seconds() - all_of_it
    answering = _answering_seconds() - answering
    return {
        "processor_us_of_the_client": round(own / events * 1e6),
        **({"processor_us_of_the_server": round(answering / events * 1e6)} if answering else {}),
        "processor_us_of_all": round(all_of_it / events * 1e6),
        "statements": round(sum(counted.values()) / events, 3),
        "log_bytes": round((log_position() - log) / events),
    }


def _answering_seconds() -> float:
    """Processor time of PostgreSQL's process for this connection; 0 if it is elsewhere."""
    if connection.vendor != "postgresql":
        return 0
    connection.ensure_connection()
    process = Path(f"/proc/{connection.connection.info.backend_pid}")
    try:
        is_the_servers = (process / "comm").read_text().startswith("postgres")
        return int((process / "schedstat").read_text().split()[0]) / 1e9 if is_the_servers else 0
    except OSError:
        return 0


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
    left = TaskRun.objects.filter(state=RunState.PENDING, queue="default")
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
    main(OPTIONS.runs, on_request=OPTIONS.on_request)
