"""The facts of an examination: what pages and metrics show of queues, processes and the broker.

They are kept as JSON: durations in seconds, moments as ISO 8601.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from neural.health.broker import ask_broker
from neural.health.situation import Situation
from neural.models import TaskRun, WorkerProcess
from neural.worker.models import ProcessKind

PROCESSES_KEPT = 50
RUNS_LOOKED_AT = 500
"""Running runs that are looked at, to say what each worker does."""
LOST_SHOWN = dt.timedelta(hours=1)
"""For how long a lost process is still among the facts."""


class WatchedSituation(Situation):
    """A situation as relays read it: of the broker, only the queues of this project."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = ask_broker(every_list=False)


def facts_of(situation: Situation) -> dict[str, Any]:
    """What the examination keeps besides its findings."""
    return {
        "at": situation.now,
        "broker": _broker(situation),
        "queues": _queues(situation),
        "processes": _processes(situation),
    }


def _broker(situation: Situation) -> Mapping[str, Any]:
    broker = situation.broker
    return {
        "up": not (broker.error or broker.refusal),
        "address": broker.address,
        "error": broker.error or broker.refusal,
        "driver": broker.driver,
    }


def _queues(situation: Situation) -> Mapping[str, Mapping[str, Any]]:
    broker = situation.broker
    return {
        name: {
            **state.as_json(),
            "messages": None if broker.error else broker.messages.get(name, 0),
        }
        for name, state in situation.queues.items()
    }


def _processes(situation: Situation) -> Sequence[Mapping[str, Any]]:
    newest = WorkerProcess.objects.order_by("-pk").defer("registered", "versions")
    lost = newest.filter(stopped_at=None, lost_at__gt=situation.now - LOST_SHOWN)
    shown = [*newest.present()[:PROCESSES_KEPT], *lost[:PROCESSES_KEPT]][:PROCESSES_KEPT]
    runs = _running_by_worker()
    return [_process(each, runs.get(each.pk, ())) for each in sorted(shown, key=_in_order)]


def _in_order(process: WorkerProcess) -> tuple[bool, str, str]:
    return (process.kind == ProcessKind.BEAT, process.name, f"{process.started_at:%Y%m%d%H%M%S}")


def _process(process: WorkerProcess, runs: Sequence[TaskRun]) -> Mapping[str, Any]:
    oldest = min(runs, key=lambda run: run.started_at, default=None)  # type: ignore[arg-type,return-value]
    return {
        "id": process.pk,
        "name": process.name,
        "kind": process.kind,
        "queues": process.queues,
        "concurrency": process.concurrency,
        "heartbeat_at": process.heartbeat_at,
        "lost": process.lost_at is not None,
        "memory_bytes": process.memory_bytes,
        "running": len(runs),
        "work": oldest.work_name if oldest else "",
        "working_since": oldest.started_at if oldest else None,
    }


def _running_by_worker() -> Mapping[int, Sequence[TaskRun]]:
    columns = ("worker_id", "task", "handler", "started_at")
    found: dict[int, list[TaskRun]] = {}
    for run in TaskRun.objects.running().only(*columns)[:RUNS_LOOKED_AT]:
        if run.worker_id is not None:
            found.setdefault(run.worker_id, []).append(run)
    return found
