"""What an index costs an insert; and claim and relay on a backlog that no statistics know.

PostgreSQL counts the waiting runs when it vacuums or analyzes, and in most hours it finds none. If
a backlog then builds up within minutes, the planner takes it for one row until the next count. A
plan that reads all waiting rows, because it expects one, reads the whole backlog."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from benchmarks.growth.growing import EVENTS, RUNS, of_slice
from benchmarks.growth.ledger import Figure, execute, middle, rows, server_seconds, vacuum
from benchmarks.growth.measuring import claim_figure, relay_figure

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


DEPTHS = (2_500, 50_000)
TOLERANCE = 0.15
STEP_REPEATS = 5
STEPS: dict[str, Callable[[], Figure]] = {
    "claim of 50": claim_figure,
    "relay, 200 unpublished": relay_figure,
}
# Runs for events that exist, by a handler that they have not had: claimed, but never run.
_WAITING = """
    INSERT INTO neural_taskrun (task_id, task, handler, event_id, store_id, args, kwargs, options,
        parent_task_id, queue, priority, requested_by, state, failures, losses, error)
    SELECT gen_random_uuid(), task, 'neural.record_sales', event_id, store_id, '[]', '{}', '{}',
        '', 'default', 5, '', 'pending', 0, 0, ''
    FROM neural_taskrun WHERE handler = 'neural.record_order' LIMIT %s"""


def measure_backlog() -> dict[str, Any]:
    """Milliseconds with few and with many waiting runs, all due and unpublished. The runs are
    rolled back."""
    found = [_with_waiting(depth) for depth in DEPTHS]
    few, many = found
    ratios = {what: many[what] / few[what] for what in STEPS}
    return {
        "few": few,
        "many": many,
        "many_to_few": {what: round(ratio, 2) for what, ratio in ratios.items()},
        "holds": {what: ratio <= 1 + TOLERANCE for what, ratio in ratios.items()},
    }


def _with_waiting(depth: int) -> dict[str, Any]:
    vacuum()
    with transaction.atomic():
        execute(_WAITING, [depth])
        ((waiting,),) = rows("SELECT count(*) FROM neural_taskrun WHERE state = 'pending'")
        times = {what: middle(step() for _ in range(STEP_REPEATS)) for what, step in STEPS.items()}
        transaction.set_rollback(True)
    return {"waiting": waiting, **{what: round(each.clock, 2) for what, each in times.items()}}
