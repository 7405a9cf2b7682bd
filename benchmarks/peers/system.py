"""What a system tells the driver about itself."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.peers import work
from benchmarks.peers.work import Demand, Report

DJANGO = [sys.executable, "-m", "django"]


@dataclass(frozen=True, kw_only=True)
class System:
    """How one system is given events and drained. Everything but ``workers`` is in its process.

    ``outcomes`` selects how many events have succeeded, when the first one started (NULL where
    the system keeps no start) and when the last one finished.
    """

    workers: list[list[str]]
    """The commands that are started for a drain: two processes that run handlers in all."""
    outcomes: str
    submit: Callable[[Report], None] | None = None
    """One event in a transaction of its own."""
    submit_many: Callable[[Sequence[Report]], None] | None = None
    prepare: str = ""
    """A statement for the new database, beyond migrations."""
    events: str = "SELECT count(*) FROM peers_event"
    demand: str = "SELECT count(*), coalesce(sum(quantity), 0) FROM peers_demand"
    expected: Callable[[int], Demand] = work.added_up
