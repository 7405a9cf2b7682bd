"""Reads figures for pages, alerts and metrics. It never reads the ledger, so its cost does not grow
with history."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from neural.monitoring.rollups.histograms import Histogram


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Counts of runs and attempts in a span of time."""

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    lost: int = 0
    dead: int = 0
    wait: Histogram = field(default_factory=list)
    duration: Histogram = field(default_factory=list)

    @property
    def attempts(self) -> int:
        """Attempts that ended: those that succeeded and those that failed."""
        return self.succeeded + self.failed


Key = tuple[str, ...]
"""The values of the fields named in ``by``, in their order."""


def by_minute(
    since: dt.datetime, until: dt.datetime, *, by: Sequence[str] = ("queue",)
) -> Mapping[dt.datetime, Mapping[Key, Figures]]:
    """Figures of each minute in [since, until), by ``queue``, ``work``, both or nothing (the empty
    key). Minutes in which nothing happened are left out."""
    raise NotImplementedError


def by_hour(
    since: dt.datetime,
    until: dt.datetime,
    *,
    by: Sequence[str] = ("queue",),
    stores: Collection[str] | None = None,
) -> Mapping[dt.datetime, Mapping[Key, Figures]]:
    """The same by hour, of these stores alone (None: of everything); ``by`` may name
    ``store_code``, too."""
    raise NotImplementedError


def events_by_hour(
    since: dt.datetime, until: dt.datetime, *, stores: Collection[str] | None = None
) -> Mapping[dt.datetime, Mapping[str, int]]:
    """Received events of each hour in [since, until), by store code."""
    raise NotImplementedError


def last_events(stores: Collection[str] | None = None) -> Mapping[str, dt.datetime]:
    """When each store's last event was received, by store code."""
    raise NotImplementedError


def totals() -> Mapping[tuple[str, str], Figures]:
    """Figures since the first run, by queue and work: they never fall."""
    raise NotImplementedError


def event_totals() -> Mapping[str, int]:
    """Events since the first one, by type."""
    raise NotImplementedError


def counted_until() -> dt.datetime | None:
    """Up to when figures are complete: when relays last added up. None if they never did."""
    raise NotImplementedError
