"""Measures the database of the environment; `rates` runs this module."""

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402

import neural  # noqa: E402
from benchmarks.drain import drain_rate  # noqa: E402
from benchmarks.load.events import sales_report, submit_all  # noqa: E402
from benchmarks.machine import idle_share  # noqa: E402


def main(events: int, repeats: int) -> None:
    call_command("migrate", verbosity=0)
    turns = [_turn(f"turn{number}", events) for number in range(repeats)]
    json.dump({what: _spread([turn[what] for turn in turns]) for what in turns[0]}, sys.stdout)


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


def _spread(values: list[float]) -> dict[str, Any]:
    digits = 2 if max(values) <= 1 else None
    named = {"median": median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in named.items()}


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
