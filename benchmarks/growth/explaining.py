"""Checks that every index has a query whose plan uses it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from benchmarks.growth.indexes import NEEDS, Need, Sample
from benchmarks.growth.ledger import execute, rows
from benchmarks.growth.measuring import leave_backlog
from benchmarks.growth.sizes import index_names

Asked = list[tuple[str, Any]]


def check_indexes() -> dict[str, Any]:
    """Run each query on a backlog of 2,500 runs and look at its plan; everything is rolled back.

    Indexes that no query needs are dropped first. Of two equal indexes the planner uses only one,
    and the other would seem useless.
    """
    needed = {need.index for need in NEEDS}
    with transaction.atomic():
        leave_backlog()
        idle = sorted(index_names().keys() - needed)
        for name in idle:
            execute(f"DROP INDEX {name}")
        sample = Sample()
        found = {need.index: _checked(need, sample) for need in NEEDS}
        transaction.set_rollback(True)
    flagged = dict.fromkeys(idle, "no query needs it")
    flagged |= {name: "its query does not use it" for name in found if not found[name]["used"]}
    return {"queries": found, "flagged": flagged}


def _checked(need: Need, sample: Sample) -> dict[str, Any]:
    with transaction.atomic():
        with _captured() as asked:
            need.ask(sample)
        plans = [plan for statement in asked if (plan := _plan(*statement))]
        transaction.set_rollback(True)
    used = [plan for plan in plans if f'"{need.index}"' in plan]
    answer: dict[str, Any] = {"query": need.query, "used": bool(used)}
    return answer if used else {**answer, "plans": [json.loads(plan) for plan in plans]}


@contextmanager
def _captured() -> Iterator[Asked]:
    asked: Asked = []

    def note(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return run(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield asked


def _plan(statement: str, parameters: Any) -> str:
    """The plan as JSON text; empty for a statement that has none (a savepoint)."""
    if statement.split()[0].upper() not in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
        return ""
    ((plan,),) = rows(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    return json.dumps(plan)
