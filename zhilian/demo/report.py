"""What became of a demo's session, as one dictionary (`demo --json` prints it)."""

from typing import Any

from django.conf import settings
from django.db import connection

from neural.models import TaskRun
from neural.models.run import RunState
from neural.replay.cases import CASES
from zhilian.demo import business
from zhilian.demo.demonstration import Demonstration
from zhilian.demo.figures import RunFigures, dead_letters, figures_of
from zhilian.demo.jobs import Job

SERVERS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def build(demonstration: Demonstration) -> dict[str, Any]:
    """Everything the report says. ``ok`` is whether the exit code is 0."""
    session = demonstration.session
    figures = figures_of(session.runs())
    dead = [_dead(run) for run in dead_letters(session.runs())]
    cases = _cases(demonstration)
    training = demonstration.training.report()
    search = demonstration.searching.report()
    report = {
        "session": session.name,
        "database": SERVERS.get(connection.vendor, connection.vendor),
        "broker": "embedded Valkey" if settings.EMBEDDED_BROKER else "Redis",
        "sales": {"origin": "real", **_submitted(demonstration.replay), **business.sales()},
        "live": {"origin": "invented", **_submitted(demonstration.live)},
        "runs": {"left_over_from_before": session.left_over, **_runs(figures)},
        "dead": dead,
        "queues": {name: each.as_dict() for name, each in sorted(figures.queues.items())},
        "cases": cases,
        "orders": {"origin": "invented", **business.orders(session.name)},
        "low_stock": business.low_stock(),
        "search": search,
        "training": training,
        "worker_notices": demonstration.notices,
    }
    processed = _is_ok(figures, dead, cases, demonstration.replay)
    return {**report, "ok": processed and search["ok"] and training["ok"]}


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
