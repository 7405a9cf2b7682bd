"""The events that benchmarks submit."""

import time
from itertools import count
from typing import Any

import neural


def sales_report(source: str, number: int) -> dict[str, Any]:
    """A day's sales of three products, as one of a hundred shops reports them."""
    lines = [{"dish": f"dish-{place}", "quantity": number % 90 + place} for place in range(3)]
    day = f"20{number % 20 + 10}-{number % 12 + 1:02}-{number % 28 + 1:02}"
    return {
        "type": "sales.reported",
        "store": f"bench-{number % 100}",
        "source": "bench",
        "event_id": f"{source}-{number}",
        "payload": {"day": day, "lines": lines},
    }


def timed(kind: str, event_id: str, milliseconds: int) -> dict[str, Any]:
    """An event whose handler takes this many milliseconds and does nothing else."""
    identity = {"store": "bench-0", "source": "bench", "event_id": event_id}
    return {"type": kind, **identity, "payload": {"milliseconds": milliseconds}}


def submit_all(requests: Any, **options: Any) -> None:
    """Submit many events; raise on a refusal or a duplicate, which would falsify the figures."""
    for answer in neural.submit_many(requests, **options):
        answer.or_raise()
        assert answer.is_new


SLICES_A_SECOND = 10


def submit_for_ever(rate: int, *, stores: int) -> None:
    """Submit ``rate`` sales reports of so many stores a second. What was late is made up for."""
    source, size = f"console-{time.time_ns()}", max(rate // SLICES_A_SECOND, 1)
    began = time.monotonic()
    for turn in count():
        first = turn * size
        submit_all(
            {**sales_report(source, number), "store": f"S{number % stores:03}"}
            for number in range(first, first + size)
        )
        time.sleep(max(began + (first + size) / rate - time.monotonic(), 0))
