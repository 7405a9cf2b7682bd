"""The results of a demo's session, as one dictionary (`demo --json` prints it)."""

import datetime as dt
import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection

from neural.models import NeuralEvent, RunState, TaskRun
from neural.runs.models.run import TaskRunQuerySet
from zhilian.demo import days
from zhilian.demo.cases import CASES
from zhilian.demo.demonstration import Demonstration
from zhilian.demo.jobs import Job
from zhilian.demo.live import SOURCE

SERVERS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
COLUMNS = ("queue", "state", "failures", "losses", "available_at", "started_at", "finished_at")
ROWS_AT_ONCE = 5000


@dataclass
class QueueFigures:
    """One queue's figures: each wait and duration of its finished runs, in seconds."""

    # In quotes: the class takes no parameters before Python 3.12.

    waits: "array[float]" = field(default_factory=lambda: array("d"))
    durations: "array[float]" = field(default_factory=lambda: array("d"))
    first_start: dt.datetime | None = None
    last_finish: dt.datetime | None = None

    def add(self, due: dt.datetime, started: dt.datetime, finished: dt.datetime) -> None:
        """Count one finished run. For a retried run, the last attempt counts."""
        self.waits.append((started - due).total_seconds())
        self.durations.append((finished - started).total_seconds())
        self.first_start = min(self.first_start or started, started)
        self.last_finish = max(self.last_finish or finished, finished)

    @property
    def per_second(self) -> float:
        """Runs a second from the first start to the last finish."""
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
    """Figures of many runs: by state and by queue, how many were retried, and lost deliveries."""

    states: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    lost_deliveries: int = 0
    queues: dict[str, QueueFigures] = field(default_factory=dict)

    @property
    def unfinished(self) -> int:
        return self.states[RunState.PENDING] + self.states[RunState.RUNNING]


def build(demonstration: Demonstration) -> dict[str, Any]:
    """The whole report. ``ok`` says whether the exit code is 0."""
    session = demonstration.session
    figures = figures_of(session.runs())
    letters = session.runs().filter(state=RunState.DEAD).select_related("event")
    dead = [_dead(run) for run in letters]
    cases = _cases(demonstration)
    training = demonstration.training.report()
    search = demonstration.searching.report()
    tills = days.report(demonstration.live.tills)
    report = {
        "session": session.name,
        "database": SERVERS.get(connection.vendor, connection.vendor),
        "broker": "embedded Valkey" if settings.EMBEDDED_BROKER else "Redis",
        "sales": {"origin": "real", **_submitted(demonstration.replay), **days.sales()},
        "live": {"origin": "invented", **_live(demonstration)},
        "runs": {"left_over_from_before": session.left_over, **_runs(figures)},
        "dead": dead,
        "queues": {name: each.as_dict() for name, each in sorted(figures.queues.items())},
        "cases": cases,
        "orders": {"origin": "invented", **days.orders(session.name)},
        "tills": {"origin": "invented", **tills},
        "low_stock": days.low_stock(),
        "search": search,
        "training": training,
        "worker_notices": demonstration.notices,
    }
    processed = _is_ok(figures, dead, cases, demonstration.replay)
    return {**report, "ok": processed and tills["ok"] and search["ok"] and training["ok"]}


def _is_ok(figures: RunFigures, dead: list[Any], cases: list[Any], replay: Job) -> bool:
    """Every accepted event finished, or dead for a stated reason; every case as expected."""
    stated = all(each["reason"] for each in dead)
    expected = all(each["ok"] for each in cases)
    return not figures.unfinished and stated and expected and not replay.tally.refused


def _submitted(job: Job) -> dict[str, Any]:
    tally = job.tally
    return {
        "submitted": tally.total,
        "recorded": tally.new,
        "duplicates": tally.duplicate,
        "refused": tally.refused,
        "refused_because": dict(tally.reasons),
        "submitted_per_second": round(tally.total / job.seconds, 1) if job.seconds else 0.0,
    }


def _live(demonstration: Demonstration) -> dict[str, Any]:
    """What was submitted, how much of it as history, and how much of it nobody handles."""
    job = demonstration.live
    ours = {"source": SOURCE, "event_id__startswith": f"{demonstration.session.name}-"}
    unhandled = NeuralEvent.objects.unhandled().filter(**ours).count()
    return {**_submitted(job), "history": job.history, "unhandled": unhandled}


def _runs(figures: RunFigures) -> dict[str, Any]:
    return {
        "processed": figures.states[RunState.SUCCEEDED],
        "retried": figures.retried,
        "dead": figures.states[RunState.DEAD],
        "cancelled": figures.states[RunState.CANCELLED] + figures.states[RunState.DISCARDED],
        "lost_deliveries": figures.lost_deliveries,
        "unfinished": figures.unfinished,
    }


def _dead(run: TaskRun) -> dict[str, Any]:
    return {
        "work": run.work_name,
        "event": run.event.event_id if run.event else "",
        "run": run.task_id,
        "reason": run.error,
    }


def _cases(demonstration: Demonstration) -> list[dict[str, Any]]:
    return [_case(case, demonstration) for case in CASES]


def _case(case: Any, demonstration: Demonstration) -> dict[str, Any]:
    ok, seen = case.look(demonstration.session.name, demonstration.live.answers)
    return {"name": case.name, "expected": case.expected, "seen": seen, "ok": ok}


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
    """A percentile by nearest rank, in milliseconds; 0 if there are no values."""
    if not seconds:
        return 0.0
    rank = max(1, math.ceil(percent / 100 * len(seconds)))
    return round(1000 * sorted(seconds)[rank - 1], 3)
