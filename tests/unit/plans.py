"""What PostgreSQL did for a statement, by its plan as executed."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction


def read(statement: str, *, wanted: int = 200) -> int:
    """How many rows a statement looks at without wanting them."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        (plan,) = cursor.fetchone()
        transaction.set_rollback(True)
    found = json.loads(plan) if isinstance(plan, str) else plan
    return sum(_wasted(found[0]["Plan"], wanted))


def _wasted(node: dict[str, Any], wanted: int) -> Iterator[int]:
    yield node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    yield max(0, node["Actual Rows"] * node["Actual Loops"] - wanted)
    for child in node.get("Plans", ()):
        yield from _wasted(child, wanted)
