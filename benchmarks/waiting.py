"""Measures how soon many calls that wait for another server are done.

    python -m benchmarks.waiting                      SQLite and PostgreSQL
    python -m benchmarks.waiting --database postgresql --calls 1000 --milliseconds 100
    python -m benchmarks.waiting --pgqueuer           and PgQueuer, in turn, on PostgreSQL

200 handlers that are ``async def`` wait a second each, in two processes with ``--pool async``.
Prints JSON: the seconds from the first start to the last outcome.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    calls=(200, "calls of each repeat"),
    milliseconds=(1000, "how long each waits"),
    processes=(2, "workers"),
    repeats=(3, "repeats"),
    pgqueuer=(False, "also two workers of PgQueuer, with a hundred jobs at once each"),
)

from django.db import connection
from django.db.models import Max, Min

from benchmarks.load.events import submit_all, timed
from benchmarks.machine import idle_share, spread
from benchmarks.peers.installing import install, python_of_peers
from benchmarks.processes import wait_until_done
from neural.models import TaskRun, WorkerProcess

QUEUE = "waiting"


def main() -> dict[str, Any]:
    """Each repeat with new workers, which have started before the calls are submitted."""
    repeats = [_repeat(f"repeat{number}") for number in range(OPTIONS.repeats)]
    figures = [name for name in repeats[0] if name.startswith("seconds")]
    medians = {name: spread((each[name] for each in repeats), 2) for name in figures}
    return {"calls": OPTIONS.calls, **medians, "repeats": repeats}


def _repeat(name: str) -> dict[str, float]:
    idle_before = round(idle_share(), 2)
    with _workers():
        requests = [
            timed("bench.waiting", f"{name}-{number}", OPTIONS.milliseconds)
            for number in range(OPTIONS.calls)
        ]
        submit_all(requests)
        wait_until_done(queue=QUEUE)
    times: Any = TaskRun.objects.filter(event__event_id__startswith=f"{name}-").aggregate(
        Min("created_at"), Min("started_at"), Max("finished_at")
    )
    ended = times["finished_at__max"]
    return {
        "seconds": (ended - times["started_at__min"]).total_seconds(),
        "seconds_from_the_first_submit": (ended - times["created_at__min"]).total_seconds(),
        "idle_before": idle_before,
        **({"seconds_of_pgqueuer": _of_pgqueuer()} if _has_peer() else {}),
    }


def _has_peer() -> bool:
    return OPTIONS.pgqueuer and connection.vendor == "postgresql"


def _of_pgqueuer() -> float:
    install()
    command = [str(python_of_peers()), "-m", "benchmarks.peers.pgqueuer_waiting"]
    settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.peer_settings"}
    environment = {**os.environ, **settings, "PEERS_APPS": "pgqueuer_peer"}
    calls = [str(OPTIONS.calls), str(OPTIONS.milliseconds)]
    return float(isolated.output([*command, *calls], environment))


@contextmanager
def _workers() -> Iterator[None]:
    command = [sys.executable, "manage.py", "worker", "--pool", "async", "--queues", QUEUE]
    processes = [
        subprocess.Popen([*command, "--name", f"waiting{number}"], stdout=sys.stderr)
        for number in range(OPTIONS.processes)
    ]
    try:
        while WorkerProcess.objects.present().count() < OPTIONS.processes:
            for process in processes:
                if process.poll() is not None:
                    raise RuntimeError(f"a worker ended with {process.returncode}")
            idle_share(0.1)
        idle_share(0.5)  # between its row and its first message
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
