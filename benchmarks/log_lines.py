"""Measures what the ledger's log lines cost.

    python -m benchmarks.log_lines

Writes the log of a batch of fifty runs to a file, once as one line that names them all and once as
a line for each run. Prints JSON: microseconds of processor time and bytes for each run. A run that
succeeds has two lines, started and succeeded. Needs no database.
"""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks import isolated

isolated.set_up(migrates=False)

from benchmarks.machine import machine
from neural.models import NeuralEvent, TaskRun
from neural.runs.models.new_run import new_task_id
from neural.runs.models.run_log import log_change, logger
from zhilian.logs import KeyValueFormatter

BATCH, BATCHES, REPEATS = 50, 200, 7


def main() -> None:
    runs = [_run(number) for number in range(BATCH)]
    figures = {
        "machine": machine(),
        "one line a batch": _measure(lambda: log_change("succeeded", runs)),
        "one line a run": _measure(lambda: _log_each(runs)),
    }
    json.dump(figures, sys.stdout, indent=2)
    print()


def _log_each(runs: Sequence[TaskRun]) -> None:
    for run in runs:
        log_change("succeeded", [run])


def _run(number: int) -> TaskRun:
    event = NeuralEvent(pk=number, store_id="S01", source="till", event_id=f"1000{number}")
    work = {"task": "neural.tasks.process_neural_event", "handler": "neural.record_order"}
    return TaskRun(task_id=new_task_id(), queue="high_priority", event=event, **work)


def _measure(told: Callable[[], None]) -> dict[str, float]:
    times, path = [], Path(tempfile.mkstemp()[1])
    for _ in range(REPEATS):
        path.write_text("")
        handler = logging.FileHandler(path)
        handler.setFormatter(KeyValueFormatter())
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
        began = time.process_time()
        for _ in range(BATCHES):
            told()
        times.append((time.process_time() - began) / BATCHES / BATCH * 1e6)
        handler.close()
    size = path.stat().st_size / BATCHES / BATCH
    path.unlink()
    return {"microseconds": round(median(times), 1), "bytes": round(size)}


if __name__ == "__main__":
    main()
