"""Sizes of tables and indexes."""

from typing import Any

from benchmarks.growth.ledger import TABLES, rows

MEGABYTE = 1_000_000


def weights(runs: int) -> dict[str, Any]:
    """Megabytes of each table and index, and bytes for each run in the ledger."""
    tables = {table: _table(table, runs) for table in TABLES}
    return {**tables, "bytes_a_run": round(sum(_total(table) for table in TABLES) / runs)}


def index_names() -> dict[str, str]:
    """The indexes of the tables that grow, each with its table."""
    found = rows(
        "SELECT indexname, tablename FROM pg_indexes WHERE tablename = ANY(%s)", [list(TABLES)]
    )
    return dict(found)


def _table(table: str, runs: int) -> dict[str, Any]:
    indexes = [name for name, owner in sorted(index_names().items()) if owner == table]
    ((heap, toast),) = rows(
        "SELECT pg_relation_size(%s::regclass), pg_table_size(%s::regclass)", [table, table]
    )
    return {
        "table": _weight(heap, runs),
        "with_toast": _weight(toast, runs),
        "indexes": {name: _weight(_size(name), runs) for name in indexes},
    }


def _weight(size: int, runs: int) -> dict[str, float]:
    return {"megabytes": round(size / MEGABYTE, 1), "bytes_a_run": round(size / runs, 1)}


def _size(name: str) -> int:
    return int(rows("SELECT pg_relation_size(%s::regclass)", [name])[0][0])


def _total(table: str) -> int:
    return int(rows("SELECT pg_total_relation_size(%s::regclass)", [table])[0][0])
