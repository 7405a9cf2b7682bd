"""The work that every system does (the reports, the table and the handler's statement), and how a
system describes itself to the driver.

This module runs both in the project's venv and in the peers'."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

BODIES = "BENCHMARK_BODIES"
"""Set to the file in which the bodies of chords note themselves."""
STORES = 100
LINES = 3

DEMAND_TABLE = """
    CREATE TABLE peers_demand (
        store text,
        day date,
        dish text,
        quantity numeric(18, 3) NOT NULL,
        times integer NOT NULL DEFAULT 1,
        first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (store, day, dish)
    )
"""
_ROWS = ", ".join(["(%s, %s, %s, %s)"] * LINES)
ADD_DEMAND = f"""
    INSERT INTO peers_demand (store, day, dish, quantity) VALUES {_ROWS}
    ON CONFLICT (store, day, dish)
    DO UPDATE SET quantity = peers_demand.quantity + EXCLUDED.quantity,
        times = peers_demand.times + 1, last_at = EXCLUDED.last_at
"""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A store's sales on a day."""

    event_id: str
    store: str
    day: str
    lines: list[dict[str, Any]]

    @property
    def payload(self) -> dict[str, Any]:
        return {"day": self.day, "lines": self.lines}


def reports(number: int) -> list[Report]:
    """The first ``number`` reports. Each (store, day) repeats after 2,100 of them."""
    return [_report(each) for each in range(number)]


def _report(number: int) -> Report:
    return Report(
        event_id=f"report-{number}",
        store=f"bench-{number % STORES}",
        day=f"20{number % 20 + 10}-{number % 12 + 1:02}-{number % 28 + 1:02}",
        lines=[
            {"dish": f"dish-{place}", "quantity": number % 90 + place} for place in range(LINES)
        ],
    )


def add_demand(store: str, day: str | date, lines: Iterable[tuple[str, int | Decimal]]) -> None:
    """The handler of every system: one upsert of three rows.

    It adds to the sums, so work that is done twice shows as clearly as work that is lost.
    """
    parameters = [value for dish, quantity in lines for value in (store, day, dish, quantity)]
    with connection.cursor() as cursor:
        cursor.execute(ADD_DEMAND, parameters)


def add_report(store: str, day: str, lines: Sequence[dict[str, Any]]) -> None:
    """The same, for a handler that gets the report as JSON."""
    add_demand(store, day, [(line["dish"], line["quantity"]) for line in lines])


@dataclass(frozen=True)
class Demand:
    """The number of demand rows, and their sums."""

    rows: int
    quantity: Decimal


def added_up(number: int) -> Demand:
    """The demand if every report was added exactly once."""
    return _demand(reports(number), number)


def newest(number: int) -> Demand:
    """The demand if the newest report of each (store, day) won."""
    last = {(report.store, report.day): report for report in reports(number)}
    return _demand(list(last.values()), number)


def _demand(counted: list[Report], number: int) -> Demand:
    days = {(report.store, report.day) for report in reports(number)}
    sold = sum(line["quantity"] for report in counted for line in report.lines)
    return Demand(len(days) * LINES, Decimal(sold))


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
    expected: Callable[[int], Demand] = added_up


def note_times(ended: Sequence[float]) -> None:
    """What the body of a chord does: note when the last task ended, and that it has begun."""
    line = f"{max(ended)} {time.time()}\n"
    notes = os.open(os.environ[BODIES], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(notes, line.encode())
    finally:
        os.close(notes)
