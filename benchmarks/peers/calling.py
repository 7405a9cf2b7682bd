"""One step of ``benchmarks.delays``, with the packages and settings of one system.

    python -m benchmarks.peers.calling call|get NUMBER

``call`` prints rates as a line of JSON, and ``get`` the times of a call until its result is there,
in milliseconds.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.peers.driver import running  # sets Django up
from benchmarks.peers.work import reports

if os.environ.get("PEERS_APPS"):
    from benchmarks.peers.celery_peer import SYSTEM, add_to_demand

    WORKERS = SYSTEM.workers
else:
    from benchmarks.load.tasks import add_to_demand
    from benchmarks.peers.ours import WORKERS

from celery import group
from django.db import transaction

GROUP = 1000
GROUPS = 3
GETS = 50
"""Some systems wait for half a second each time."""
PATIENCE_SECONDS = 120

Call = dict[str, Any]


def main(step: str, number: int) -> None:
    """Measure and print."""
    calls = [
        {"store": each.store, "day": each.day, "lines": each.lines} for each in reports(number)
    ]
    print(json.dumps({"call": called, "get": got}[step](calls)))


def called(calls: list[Call]) -> dict[str, float]:
    """Calls a second, without a worker."""
    add_to_demand.delay(**calls[0])  # opens the connections
    members = [add_to_demand.s(**calls[place % len(calls)]) for place in range(GROUP)]
    rates = {"delay": _rate(lambda: _delay_all(calls), len(calls))}
    rates["delay_in_one_transaction"] = _rate(lambda: _delay_together(calls), len(calls))
    groups = [_rate(group(members), GROUP) for _ in range(GROUPS)]
    return {**rates, "group_of_1000": statistics.median(groups)}


def _delay_all(calls: list[Call]) -> None:
    for call in calls:
        add_to_demand.delay(**call)


def _delay_together(calls: list[Call]) -> None:
    with transaction.atomic():
        _delay_all(calls)


def _rate(work: Callable[[], object], number: int) -> float:
    started = time.perf_counter()
    work()
    return number / (time.perf_counter() - started)


def got(calls: list[Call]) -> dict[str, float]:
    """Milliseconds from a call until ``get()`` has returned, one after the other."""
    with running(WORKERS):
        add_to_demand.delay(**calls[0]).get(timeout=PATIENCE_SECONDS)  # the worker has started
        times = sorted(1000 / _rate(partial(_get, call), 1) for call in calls[:GETS])
    return {
        "get_p50_ms": statistics.median(times),
        "get_p95_ms": times[int(len(times) * 0.95)],
    }


def _get(call: Call) -> None:
    add_to_demand.delay(**call).get(timeout=PATIENCE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
