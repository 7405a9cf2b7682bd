"""How a system describes itself to the driver."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.peers import work
from benchmarks.peers.work import Demand, Report

DJANGO = [sys.executable, "-m", "django"]


@dataclass(frozen=True, kw_only=True)
class System:
    """How events are submitted to one system and drained. All but ``workers`` runs in its process.

    ``outcomes`` selects the number of events that succeeded, when the first one started (NULL if
    the system does not record it) and when the last one finished.
    """

    workers: list[list[str]]
    """The commands that are started for a drain. In all, two processes run handlers."""
    outcomes: str
    submit: Callable[[Report], None] | None = None
    """Submits one event in a transaction of its own."""
    submit_many: Callable[[Sequence[Report]], None] | None = None
    prepare: str = ""
    """A statement that the new database needs beside its migrations."""
    events: str = "SELECT count(*) FROM peers_event"
    demand: str = "SELECT count(*), coalesce(sum(quantity), 0) FROM peers_demand"
    expected: Callable[[int], Demand] = work.added_up
