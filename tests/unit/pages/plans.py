"""What PostgreSQL did for a statement, by its plan as executed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


def read(statement: str, *, wanted: int = 200) -> int:
    """How many rows a statement looks at without wanting them."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (plan,) = cursor.fetchone()
        transaction.set_rollback(True)
    return _wasted_rows(plan, wanted)


@contextmanager
def reading(table: str, *, wanted: int = 200) -> Iterator[list[int]]:
    """The same of each SELECT of this table within the block, planned as it is there: with what the
    transaction has set, and the statistics of that moment."""
    found: list[int] = []

    def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT", "WITH")) and table in sql:
            execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params, many, context)
            found.append(_wasted_rows(context["cursor"].fetchone()[0], wanted))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explained):
        yield found


def _wasted_rows(plan: Any, wanted: int) -> int:
    found = json.loads(plan) if isinstance(plan, str) else plan
    return sum(_wasted(found[0]["Plan"], wanted))


def _wasted(node: dict[str, Any], wanted: int) -> Iterator[int]:
    yield node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    yield max(0, node["Actual Rows"] * node["Actual Loops"] - wanted)
    for child in node.get("Plans", ()):
        yield from _wasted(child, wanted)
