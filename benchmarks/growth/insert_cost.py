"""Measures what an index costs an insert: the same rows with all indexes and without one."""

from typing import Any

from django.db import transaction

from benchmarks.growth.growing import EVENTS, RUNS, of_slice
from benchmarks.growth.ledger import execute, rows, vacuum
from benchmarks.growth.processor import server_seconds

INSERTED, REPEATS = 100_000, 3  # or as many as there are
STATEMENTS = {"neural_neuralevent": EVENTS, "neural_taskrun": RUNS}


def insert_costs(have: int) -> dict[str, Any]:
    """Seconds for `INSERTED` finished runs, and for their events; microseconds for each index.

    The best of three times counts. It is processor time of the server's process, or elapsed time
    if the server is another machine. Each insert is rolled back and vacuumed away. Foreign keys
    are checked at commit, so they are not included.
    """
    return {table: _of_table(table, have) for table in STATEMENTS}


def _of_table(table: str, have: int) -> dict[str, Any]:
    drops = _drops(table)
    times: dict[str, list[float]] = {name: [] for name in ("", *drops)}
    _seconds(table, have, "")  # warms up
    for _ in range(REPEATS):
        for name in times:
            times[name].append(_seconds(table, have, drops.get(name, "")))
    whole = min(times.pop(""))
    inserted = min(INSERTED, have)
    costs = {name: (whole - min(each)) / inserted * 1e6 for name, each in times.items()}
    return {
        "rows": inserted,
        "seconds_with_all": round(whole, 2),
        "microseconds_a_row_of_index": {name: round(cost, 1) for name, cost in costs.items()},
    }


def _drops(table: str) -> dict[str, str]:
    """The statements that drop the indexes. Primary keys stay: other tables refer to them."""
    found = rows(
        "SELECT index.indexrelid::regclass::text, owner.contype FROM pg_index AS index "
        "LEFT JOIN pg_constraint AS owner ON owner.conindid = index.indexrelid "
        "AND owner.contype IN ('p', 'u') WHERE index.indrelid = %s::regclass ORDER BY 1",
        [table],
    )
    as_constraint = f"ALTER TABLE {table} DROP CONSTRAINT "
    return {
        name: (as_constraint if kind else "DROP INDEX ") + name
        for name, kind in found
        if kind != "p"
    }


def _seconds(table: str, have: int, drop: str) -> float:
    with transaction.atomic():
        if drop:
            execute(drop)
        last = have + min(INSERTED, have)
        began = server_seconds()
        execute(STATEMENTS[table], of_slice(have + 1, last, last))
        seconds = server_seconds() - began
        transaction.set_rollback(True)
    vacuum(table)
    return seconds
