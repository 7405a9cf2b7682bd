"""Measures what Celery's task events (`-E`, Flower) cost: runs a second without and with them.

    python -m benchmarks.event_cost                         SQLite and PostgreSQL
    python -m benchmarks.event_cost --database postgresql

The handler does nothing, so the share of the events is as large as it can be.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    events=(2000, "single submits of a drain"),
    repeats=(5, "drains of each kind"),
)

from django.db.models import Max, Min

import neural
from neural.broker.publisher import publisher
from neural.models import RunState, TaskRun

QUEUE = "high_priority"
CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "zhilian"]
WORKER = [*CELERY, "worker", "--without-gossip", "--without-mingle", "--concurrency", "2"]
KINDS = {"without": (False, False), "with_events": (True, False), "with_flower": (True, True)}
Rates = dict[str, float]


def main(events: int, repeats: int) -> None:
    drains: dict[str, list[Rates]] = {kind: [] for kind in KINDS}
    for repeat in range(repeats):
        # Each kind is first equally often, so that other work on the machine affects all alike.
        turn = repeat % len(KINDS)
        for kind in [*KINDS][turn:] + [*KINDS][:turn]:
            drains[kind].append(_drain(f"{kind}-{repeat}", events, *KINDS[kind]))
    figures = {
        what: _compared({kind: [each[what] for each in drains[kind]] for kind in KINDS})
        for what in ("runs_per_second", "messages_per_second")
    }
    json.dump(figures, sys.stdout)


def _compared(rates: Mapping[str, list[float]]) -> dict[str, Any]:
    """The rates of each kind, and their ratios to the drain without events in the same turn."""
    figures: dict[str, Any] = {}
    for kind, each in rates.items():
        ratios = [one / other for one, other in zip(each, rates["without"], strict=True)]
        figures[kind] = {
            "median": round(median(each)),
            "min": round(min(each)),
            "max": round(max(each)),
            "to_without": round(median(ratios), 2),
            "to_without_each": [round(ratio, 2) for ratio in ratios],
        }
    return figures


def _drain(source: str, events: int, sends_events: bool, flower: bool) -> Rates:
    """Runs end before their messages are consumed, because most are claimed in batches."""
    _submit(source, events)
    runs = TaskRun.objects.filter(event__source=source)
    with _flower() if flower else contextlib.nullcontext(), _worker(sends_events):
        while publisher().depths([QUEUE])[QUEUE]:
            time.sleep(0.02)
        emptied_at = time.time()
        while runs.exclude(state=RunState.SUCCEEDED).exists():
            time.sleep(0.2)
    times = runs.aggregate(Min("started_at"), Max("finished_at"))
    started_at = times["started_at__min"].timestamp()
    return {
        "runs_per_second": events / (times["finished_at__max"].timestamp() - started_at),
        "messages_per_second": events / (emptied_at - started_at),
    }


def _submit(source: str, events: int) -> None:
    for number in range(events):
        neural.submit(
            type="bench.urgent", store="bench-0", source=source, event_id=str(number), payload={}
        ).or_raise()


@contextlib.contextmanager
def _worker(sends_events: bool) -> Iterator[None]:
    with _running([*WORKER, "--queues", QUEUE, *(["-E"] if sends_events else [])]):
        yield


@contextlib.contextmanager
def _flower() -> Iterator[None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _running([*CELERY, "flower", f"--port={port}"]):
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.2)
        time.sleep(2)  # until it has subscribed to events
        yield


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdout=sys.stderr, env=os.environ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main(OPTIONS.events, OPTIONS.repeats)
