"""Measures what a database row for each successful first attempt would cost.

    python -m benchmarks.attempt_rows

Settles the same runs with and without such a row, in turn. Prints JSON: runs a second, processor
time a run, and on PostgreSQL the bytes written to its log and the table's size.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any
from unittest import mock

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    runs=(4000, "runs of each measurement"),
)

from django.db import connection

import neural
from benchmarks.processes import drain_here, log_position
from neural.ledger import batch
from neural.ledger.outcome import Outcome
from neural.ledger.settle import _attempt_row, settle
from neural.models import AttemptOutcome, TaskAttempt

REPEATS = 5
Settle = Callable[[Sequence[Outcome]], None]


def main(runs: int) -> None:
    figures: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    for repeat in range(REPEATS):
        for name, recording in (("without", settle), ("with", settle_with_rows)):
            figures[name].append(_measure(f"{name}-{repeat}", runs, recording))
    medians = {name: _medians(each) for name, each in figures.items()}
    ratio = {
        key: round(medians["with"][key] / value, 2)
        for key, value in medians["without"].items()
        if value
    }
    json.dump({**medians, "with_to_without": ratio, "bytes_a_row": _row_bytes()}, sys.stdout)


def settle_with_rows(outcomes: Sequence[Outcome]) -> None:
    """Settle, and write a row for every attempt."""
    attempts = [replace(each, attempt_outcome=AttemptOutcome.SUCCEEDED) for each in outcomes]
    TaskAttempt.objects.bulk_create([_attempt_row(each) for each in attempts])
    settle(outcomes)


def _measure(source: str, runs: int, recording: Settle) -> dict[str, float]:
    for answer in neural.submit_many(_event(source, number) for number in range(runs)):
        answer.or_raise()
    log, started, processor = log_position(), time.perf_counter(), time.process_time()
    with mock.patch.object(batch, "settle", recording):
        drain_here("high_priority")
    seconds = time.perf_counter() - started
    return {
        "runs_per_second": runs / seconds,
        "processor_us_a_run": (time.process_time() - processor) / runs * 1e6,
        "log_bytes_a_run": (log_position() - log) / runs,
    }


def _event(source: str, number: int) -> dict[str, Any]:
    event_id = f"{source}-{number}"
    common = {"type": "bench.urgent", "store": "bench-0", "source": "bench"}
    return {**common, "event_id": event_id, "payload": {}}


def _row_bytes() -> float:
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('neural_tasktry')")
        return round(cursor.fetchone()[0] / TaskAttempt.objects.count())


def _medians(measured: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(median(each[key] for each in measured), 1) for key in measured[0]}


if __name__ == "__main__":
    main(OPTIONS.runs)
