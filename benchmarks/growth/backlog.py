"""Measures claim and relay on a backlog that the planner's statistics do not know.

PostgreSQL counts the waiting runs when it vacuums or analyzes, and in most hours it finds none. If
a backlog then builds up within minutes, the planner takes it for one row until the next count. A
plan that reads all waiting rows, because it expects one, reads the whole backlog.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

from django.db import transaction

from benchmarks.growth.ledger import execute, rows, vacuum
from benchmarks.growth.measuring import claim_seconds, relay_seconds

DEPTHS = (2_500, 50_000)
TOLERANCE = 0.20
REPEATS = 5
STEPS: dict[str, Callable[[], float]] = {
    "claim_ms": claim_seconds,
    "relay_unpublished_ms": relay_seconds,
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
        "within_20_percent": {what: ratio <= 1 + TOLERANCE for what, ratio in ratios.items()},
    }


def _with_waiting(depth: int) -> dict[str, Any]:
    vacuum()
    with transaction.atomic():
        execute(_WAITING, [depth])
        ((waiting,),) = rows("SELECT count(*) FROM neural_taskrun WHERE state = 'pending'")
        times = {what: [step() for _ in range(REPEATS)] for what, step in STEPS.items()}
        transaction.set_rollback(True)
    return {
        "waiting": waiting,
        **{what: round(1000 * median(each), 2) for what, each in times.items()},
    }
