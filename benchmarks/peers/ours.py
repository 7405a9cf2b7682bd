"""Zhilian Neural with its defaults: the project's settings, and a worker with ``--concurrency 2``.
Search is off, because no peer has it.

``single`` submits events of a type whose handler does what the peers' tasks do; ``bulk`` submits
the built-in ``sales.reported``. A submit validates the event, records it with its identity and its
run, and publishes to the broker before it returns. ``one_by_one_drain`` sets
``NEURAL_BATCH_CLAIM_RUNS=1``: each run is executed and settled in a transaction of its own. One
message lets a worker claim several and execute them in turn, for about 50 ms at most, with one wait
for the disk at the end. The peers also read their queue in the database without a message for each
task. ``TASKS`` is a two-step task of the ledger (the default) and its `delay()`, without an event.
"""

import sys
from collections.abc import Sequence
from typing import Any

import neural
from benchmarks.load.tasks import add_to_demand
from benchmarks.peers.work import Report, System, newest

WORKERS = [[sys.executable, "manage.py", "worker", "--concurrency", "2", "--verbosity", "0"]]
OUTCOMES = """
    SELECT count(*) FILTER (WHERE state = 'succeeded'), min(started_at), max(finished_at)
    FROM neural_taskrun WHERE handler <> ''
"""
EVENTS = "SELECT count(*) FROM neural_neuralevent"


def request(event_type: str, report: Report) -> dict[str, Any]:
    """The arguments of ``neural.submit``."""
    return {
        "type": event_type,
        "store": report.store,
        "source": "bench",
        "event_id": report.event_id,
        "payload": report.payload,
    }


def submit(report: Report) -> None:
    """Submit as an application does, and check the answer."""
    neural.submit(**request("peers.reported", report)).or_raise()


SINGLE = System(workers=WORKERS, outcomes=OUTCOMES, events=EVENTS, submit=submit)


def submit_many(reports: Sequence[Report]) -> None:
    """Submit in chunks of 500, a transaction each (the default), and check every answer."""
    for answer in neural.submit_many(request("sales.reported", each) for each in reports):
        answer.or_raise()


BULK = System(
    workers=WORKERS,
    outcomes=OUTCOMES,
    events=EVENTS,
    submit_many=submit_many,
    demand="SELECT count(*), coalesce(sum(reported_quantity), 0) FROM neural_dailydemand",
    expected=newest,
)


def delay(report: Report) -> None:
    """Call a task of the ledger, as a user of Celery does."""
    add_to_demand.delay(report.store, report.day, report.lines)


RUNS_OF_TASK = "FROM neural_taskrun WHERE task = 'benchmarks.add_to_demand'"
TASKS = System(
    workers=WORKERS,
    outcomes=f"""
        SELECT count(*) FILTER (WHERE state = 'succeeded'), min(started_at), max(finished_at)
        {RUNS_OF_TASK}
    """,
    events=f"SELECT count(*) {RUNS_OF_TASK}",
    submit=delay,
)
