"""Figures of runs: what became of them, how fast, how long they waited and took."""

import datetime as dt
import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from neural.models import RunState, TaskRun
from neural.models.run import TaskRunQuerySet

COLUMNS = ("queue", "state", "failures", "losses", "available_at", "started_at", "finished_at")
ROWS_AT_ONCE = 5000


@dataclass
class QueueFigures:
    """Of one queue: each wait and duration of its finished runs, in seconds."""

    # In quotes: the class takes no parameters before Python 3.12.

    waits: "array[float]" = field(default_factory=lambda: array("d"))
    durations: "array[float]" = field(default_factory=lambda: array("d"))
    first_start: dt.datetime | None = None
    last_finish: dt.datetime | None = None

    def add(self, due: dt.datetime, started: dt.datetime, finished: dt.datetime) -> None:
        """Count one finished run. For one that was retried it is the last try that counts."""
        self.waits.append((started - due).total_seconds())
        self.durations.append((finished - started).total_seconds())
        self.first_start = min(self.first_start or started, started)
        self.last_finish = max(self.last_finish or finished, finished)

    @property
    def per_second(self) -> float:
        """Runs from the first start to the last finish."""
        if self.first_start is None or self.last_finish is None:
            return 0.0
        seconds = (self.last_finish - self.first_start).total_seconds()
        return len(self.waits) / seconds if seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Counts, rates and milliseconds."""
        return {
            "runs": len(self.waits),
            "per_second": round(self.per_second, 1),
            "wait_p50_ms": milliseconds(self.waits, 50),
            "wait_p99_ms": milliseconds(self.waits, 99),
            "run_p50_ms": milliseconds(self.durations, 50),
            "run_p99_ms": milliseconds(self.durations, 99),
        }


@dataclass
class RunFigures:
    """Of many runs: by state, tried again, lost, and by queue."""

    states: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    lost_deliveries: int = 0
    queues: dict[str, QueueFigures] = field(default_factory=dict)

    @property
    def unfinished(self) -> int:
        return self.states[RunState.PENDING] + self.states[RunState.RUNNING]


def figures_of(runs: TaskRunQuerySet) -> RunFigures:
    """Read the runs once, as a stream: memory holds two numbers a run."""
    figures = RunFigures()
    rows = runs.order_by().values_list(*COLUMNS).iterator(ROWS_AT_ONCE)
    for queue, state, failures, losses, due, started, finished in rows:
        figures.states[state] += 1
        figures.retried += failures + losses > 0
        figures.lost_deliveries += losses
        if started and finished:
            figures.queues.setdefault(queue, QueueFigures()).add(due, started, finished)
    return figures


def milliseconds(seconds: "array[float]", percent: float) -> float:
    """A percentile by nearest rank, in milliseconds; 0 of nothing."""
    if not seconds:
        return 0.0
    rank = max(1, math.ceil(percent / 100 * len(seconds)))
    return round(1000 * sorted(seconds)[rank - 1], 3)


def dead_letters(runs: TaskRunQuerySet) -> list[TaskRun]:
    """The dead among the runs, with their events."""
    return list(runs.filter(state=RunState.DEAD).select_related("event"))
