"""Sums of counts, before they are written. Imports no Django."""

from collections.abc import Iterable
from dataclasses import dataclass, field

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
