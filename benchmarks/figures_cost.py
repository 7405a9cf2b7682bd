"""Measures what the figures of monitoring cost a drain: the tallies, and adding them up.

    python -m benchmarks.figures_cost                       SQLite and PostgreSQL
    python -m benchmarks.figures_cost --batch 1             runs that are claimed one by one

Drains sales reports of a hundred stores in one process. Every second batch leaves a tally, so that
whatever else the machine does affects both kinds alike. Then all of them are added up, with the
submitted runs and events. Prints JSON: microseconds a run (medians over batches; of adding up, the
mean), by the clock and of this process's processor time. PostgreSQL's own is in the clock alone.
"""

import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from unittest import mock

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    events=(20_000, "events of the drain"),
    batch=(50, "runs that are claimed together"),
)

from celery import current_app
from django.utils import timezone

from benchmarks.load.events import sales_report, submit_all
from benchmarks.machine import idle_share
from neural.events.recording import EVENT_TASK
from neural.events.registry import atomic_handler_names
from neural.ledger import ports
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.models import RunState, TaskRun
from neural.monitoring.models import TotalFigures
from neural.monitoring.rollups import folding, marks, reading
from neural.monitoring.rollups.tallying import TALLIES

Microseconds = tuple[float, float]
"""By the clock, and of this process's processor time."""
NAMES = ("clock", "processor")
WARMING = 10
"""The first batches, in which statements are prepared, are not measured."""


def main(events: int, batch: int) -> None:
    marks.PAUSE = dt.timedelta(0)  # a relay waits between its turns; here that would count
    _add_up()
    submit_all(sales_report("drain", number) for number in range(events))
    idle = round(idle_share(), 2)
    measured = _drain(batch)
    adding_up = _a_run(_add_up, lambda _: events)
    without, with_tallies = (_medians(measured[kind]) for kind in (False, True))
    figures = {
        "idle_before": idle,
        "without": _named(without),
        "with_tallies": _named(with_tallies),
        "adding_up": _named(adding_up),
        "counted": sum(TotalFigures.objects.values_list("succeeded", flat=True)),
        "with_to_without": {
            name: round((one + more) / other, 3)
            for name, one, more, other in zip(NAMES, with_tallies, adding_up, without, strict=True)
        },
    }
    json.dump(figures, sys.stdout)


def _drain(batch: int) -> dict[bool, list[Microseconds]]:
    """Run what is due, every second batch with a tally."""
    source: Any = current_app.tasks[EVENT_TASK]
    options: Any = {"claimant": Claimant(), "batchable": atomic_handler_names(), "limit": batch}
    measured: dict[bool, list[Microseconds]] = {False: [], True: []}
    due = TaskRun.objects.filter(state=RunState.PENDING).order_by("pk")
    with_tally = False
    for task_id, queue in list(due.values_list("task_id", "queue")):

        def work(task_id: str = task_id, queue: str = queue) -> int:
            runs = claim(task_id=task_id, queue=queue, **options)
            return len(run_claimed(source, runs)) if runs else 0

        with mock.patch.object(
            ports, "_settle_inserts", {"figures": TALLIES} if with_tally else {}
        ):
            took = _a_run(work, lambda runs: runs)
        if any(took):
            measured[with_tally].append(took)
            with_tally = not with_tally
    return measured


def _a_run(call: Callable[[], Any], runs: Callable[[Any], int]) -> Microseconds:
    """What a call takes, divided by the number of runs that it has done; zero if it did none."""
    clock, processor = time.perf_counter(), time.process_time()
    number = runs(call())
    if not number:
        return 0.0, 0.0
    seconds = time.perf_counter() - clock, time.process_time() - processor
    return seconds[0] / number * 1e6, seconds[1] / number * 1e6


def _add_up() -> None:
    """Add up everything that has been committed."""
    since = timezone.now()
    while True:
        folding.fold(as_of=timezone.now(), seconds=60)
        until = reading.counted_until()
        if until is not None and until >= since:
            return
        time.sleep(0.1)  # on PostgreSQL, another transaction of the server is open


def _medians(measured: list[Microseconds]) -> Microseconds:
    kept = measured[WARMING:] or measured
    return median(each[0] for each in kept), median(each[1] for each in kept)


def _named(values: Microseconds) -> dict[str, float]:
    return {name: round(value, 1) for name, value in zip(NAMES, values, strict=True)}


if __name__ == "__main__":
    main(OPTIONS.events, OPTIONS.batch)
