"""Histograms of durations: 32 buckets between 1 ms and 12 days, each about twice the one before.

Imports no Django. Each bucket of the metrics ends at one of :data:`BOUNDS`, so metrics are sums of
these counts and exact.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0),
    *(1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0, 259200.0),
)
"""The upper bounds in seconds of all buckets but the last, which has none."""
BUCKETS = len(BOUNDS) + 1

Histogram = Sequence[int]
"""One count for each bucket; an empty one counts nothing."""


def bucket_of(seconds: float) -> int:
    """The number of the bucket for a duration; negative durations (clocks differ) count as 0."""
    return bisect_left(BOUNDS, seconds)


def added(one: Histogram, other: Histogram) -> list[int]:
    """The sum of two histograms."""
    if not one or not other:
        return list(one or other)
    return [a + b for a, b in zip(one, other, strict=True)]


def quantile(histogram: Histogram, share: float) -> float | None:
    """The duration in seconds that ``share`` of those counted do not exceed, interpolated within
    its bucket; None if nothing is counted."""
    total = sum(histogram)
    if not total:
        return None
    wanted, passed = share * total, 0
    for number, count in enumerate(histogram):
        if count and passed + count >= wanted:
            low = BOUNDS[number - 1] if number else 0.0
            high = BOUNDS[number] if number < len(BOUNDS) else low
            return low + (high - low) * max(wanted - passed, 0) / count
        passed += count
    return BOUNDS[-1]


Key = tuple[int, str, str, str]
"""Minute (from 1970, UTC), queue, work and store code, which is empty without a store."""
Buckets = dict[int, int]
"""Counts by number of bucket, see :mod:`neural.monitoring.rollups.histograms`."""


@dataclass(slots=True)
class Sum:
    """Counts to add to a row of figures."""

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    lost: int = 0
    dead: int = 0
    wait: Buckets = field(default_factory=dict)
    duration: Buckets = field(default_factory=dict)

    def add(self, other: "Sum") -> None:
        self.submitted += other.submitted
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.lost += other.lost
        self.dead += other.dead
        pour(self.wait, other.wait.items())
        pour(self.duration, other.duration.items())


def pour(buckets: Buckets, counts: Iterable[tuple[int, int]]) -> None:
    """Add counts, pairs of bucket and count, to ``buckets``."""
    for bucket, count in counts:
        buckets[bucket] = buckets.get(bucket, 0) + count
