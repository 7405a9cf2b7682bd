"""Submits sales reports of the chain's stores at a given rate, until it is stopped.

    python -m benchmarks.console.submitting 500

It is a process of its own, so that it does not hold up the viewers.
"""

import sys
import time
from itertools import count
from typing import Any

import django

SLICES_A_SECOND = 10


def main(rate: int) -> None:
    """Submit ``rate`` events a second. What was late is made up for."""
    from benchmarks.load.events import submit_all  # needs the settings

    source, size = f"console-{time.time_ns()}", max(rate // SLICES_A_SECOND, 1)
    began = time.monotonic()
    for turn in count():
        first = turn * size
        submit_all([_report(source, number) for number in range(first, first + size)])
        time.sleep(max(began + (first + size) / rate - time.monotonic(), 0))


def _report(source: str, number: int) -> dict[str, Any]:
    from benchmarks.console.ledger_rows import STORES
    from benchmarks.load.events import sales_report

    return {**sales_report(source, number), "store": f"S{number % STORES:03}"}


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]))
