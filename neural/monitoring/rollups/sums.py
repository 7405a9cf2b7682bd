"""Sums of counts, before they are written. Imports no Django."""

from collections import Counter
from dataclasses import dataclass, field

Key = tuple[int, str, str, str]
"""Minute (from 1970, UTC), queue, work and store code, which is empty without a store."""


@dataclass
class Sum:
    """Counts to add to one row of figures. ``wait`` and ``duration`` count by number of bucket, see
    :mod:`neural.monitoring.rollups.histograms`."""

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    lost: int = 0
    dead: int = 0
    wait: Counter[int] = field(default_factory=Counter)
    duration: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Sum") -> None:
        self.submitted += other.submitted
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.lost += other.lost
        self.dead += other.dead
        for ours, theirs in ((self.wait, other.wait), (self.duration, other.duration)):
            for bucket, count in theirs.items():
                ours[bucket] += count
