"""Measures how many events a second are submitted and processed.

    python -m benchmarks.rates                      SQLite and PostgreSQL
    python -m benchmarks.rates --database sqlite
    python -m benchmarks.rates --drain-only --repeats 20 --events 10000

Events are sales reports of three lines; two pool processes drain them. Prints JSON. Rates depend on
the machine: `benchmarks.peers` compares with other systems in one run.

`--drain-only` measures only the bulk drain, in pairs without and with search. It prints each
repeat, so a slow one among many can be seen.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    events=(20_000, "events of each rate"),
    repeats=(5, "turns"),
    drain_only=(False, "in pairs, search off and on"),
)

from django.conf import settings
from django.test import override_settings

import neural
from benchmarks.load.events import sales_report, submit_all
from benchmarks.machine import idle_share, spread
from benchmarks.processes import drain_rate
from neural.retrieval.models import OutboxEntry


def rates(events: int, repeats: int) -> dict[str, Any]:
    turns = [_turn(f"turn{number}", events) for number in range(repeats)]
    return {
        what: spread([turn[what] for turn in turns], 2 if what == "idle_before" else 0)
        for what in turns[0]
    }


def _turn(name: str, events: int) -> dict[str, float]:
    """Each figure once. Single submits are slow, so there are a quarter as many."""
    few = events // 4
    return {
        "idle_before": idle_share(),
        "single_submit_per_second": _rate(lambda: _submit_each(f"{name}s", few), few),
        "single_drain_per_second": drain_rate(),
        "submit_many_per_second": _rate(lambda: _submit(f"{name}m", events), events),
        "bulk_drain_per_second": drain_rate(),
    }


def _submit(source: str, number: int) -> None:
    submit_all(sales_report(source, each) for each in range(number))


def _submit_each(source: str, number: int) -> None:
    for each in range(number):
        neural.submit(**sales_report(source, each)).or_raise()


def _rate(work: Callable[[], None], number: int) -> float:
    started = time.perf_counter()
    work()
    return number / (time.perf_counter() - started)


# Drains alone, with and without search

KINDS = {"without_search": False, "with_search": True}


def drains(events: int, repeats: int) -> dict[str, Any]:
    pairs = [_pair(number, events) for number in range(repeats)]
    rates = {kind: [pair[kind]["per_second"] for pair in pairs] for kind in KINDS}
    ratios = [pair["with_search_to_without"] for pair in pairs]
    return {
        "events": events,
        "repeats": pairs,
        **{kind: spread(each, 0) for kind, each in rates.items()},
        "with_search_to_without": spread(ratios, 2),
    }


def _pair(number: int, events: int) -> dict[str, Any]:
    """Drain once without and once with search; which is first alternates."""
    order = list(KINDS) if number % 2 else list(reversed(KINDS))
    found = {kind: _drained(f"drain{number}-{kind}", events, KINDS[kind]) for kind in order}
    ratio = found["with_search"]["per_second"] / found["without_search"]["per_second"]
    return {**{kind: found[kind] for kind in KINDS}, "with_search_to_without": round(ratio, 2)}


def _drained(source: str, events: int, search: bool) -> dict[str, float]:
    """One drain by new processes. Records that it left to be indexed do not burden the next one."""
    os.environ["NEURAL_SEARCH"] = str(search).lower()  # the worker inherits it
    idle_before = round(idle_share(), 2)
    with override_settings(NEURAL={**settings.NEURAL, "search": search}):
        submit_all(sales_report(source, each) for each in range(events))
        rate = drain_rate()
    indexed = events - OutboxEntry.objects.count() if search else 0
    OutboxEntry.objects.all().delete()
    return {"per_second": round(rate), "indexed_meanwhile": indexed, "idle_before": idle_before}


if __name__ == "__main__":
    measured = drains if OPTIONS.drain_only else rates
    json.dump(measured(OPTIONS.events, OPTIONS.repeats), sys.stdout)
