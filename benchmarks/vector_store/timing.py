"""Times calls and summarises the times."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np


def milliseconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """A call's duration in milliseconds, and its result."""
    began = time.perf_counter()
    answer = call()
    return (time.perf_counter() - began) * 1000, answer


def told(times: Iterable[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    median, high = np.percentile(list(times), [50, 95])
    return {"p50_ms": round(float(median), 2), "p95_ms": round(float(high), 2)}


def overhead(ours: Sequence[float], raw: Sequence[float]) -> float:
    """What our code adds to the library's median, as a share of it."""
    return round(float(np.median(ours) / np.median(raw)) - 1, 3)
