"""Rows by vectors in PostgreSQL: all are compared where a query concerns few rows, else an HNSW
index is used.

The index (Malkov and Yashunin 2018) holds half-precision copies of the vectors, which are half the
size and find as well. The rows that it finds are sorted by the vectors themselves.
"""

from collections.abc import Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import Match, Vector
from neural.retrieval.stores.pgvector import connection
from neural.retrieval.stores.pgvector.tables import (
    Filter,
    index_name,
    lets_few_through,
    rows_table,
    vector_column,
)

INDEXED_ROWS = 5_000
"""A table with at least so many rows gets HNSW indexes."""
MOST_DIMENSIONS = 4_000
"""pgvector cannot index longer vectors with HNSW."""
EXPLORED = 160
"""The least value of hnsw.ef_search: the number of rows that are looked at."""
MOST_SCANNED = 200_000
"""hnsw.max_scan_tuples: after so many rows that the filter refuses, the scan ends with what it has
found."""
MOST_EXPLORED = 1_000
"""The greatest value of hnsw.ef_search."""


def nearest(
    cursor: CursorWrapper, *, table: str, column: str, vector: Vector, only: Filter, limit: int
) -> list[Match]:
    """At most ``limit`` rows by cosine similarity, best first."""
    asked = connection.vector(vector / max(float(vector @ vector) ** 0.5, 1e-12))
    every_row = _all_of(table, column, only)
    if _is_for_the_index(cursor, table, column, only):
        _explore(cursor, limit)
        order = f"{_half(column, vector.size)} <#> %s::vector::{_halved(vector.size)}"
        near = f"{every_row} ORDER BY {order} LIMIT %s::bigint"
        found = _best(cursor, near, [*only.values, asked, limit], asked, limit)
        if len(found) >= limit:
            return found
        # If very many vectors are equal, an HNSW index cannot reach all of them.
        cursor.execute("SET LOCAL enable_seqscan = on")
    return _best(cursor, every_row, [*only.values], asked, limit)


def _best(
    cursor: CursorWrapper, among: str, values: Sequence[Any], asked: connection.Binary, limit: int
) -> list[Match]:
    cursor.execute(
        f"SELECT key, -(near <#> %s::vector) AS score FROM ({among}) AS among"
        " ORDER BY near <#> %s::vector, key LIMIT %s::bigint",
        [asked, *values, asked, limit],
    )
    return [Match(key, score) for key, score in cursor.fetchall()]


def index_statement(table: str, column: str, dimensions: int, *, concurrently: bool) -> str:
    """The statement that makes the HNSW index of a vector column."""
    return (
        f"CREATE INDEX {'CONCURRENTLY' if concurrently else ''} {index_name(table, column)}"
        f" ON {rows_table(table)} USING hnsw ({_half(column, dimensions)} halfvec_ip_ops)"
    )


def _all_of(table: str, column: str, only: Filter) -> str:
    near = vector_column(column)
    return (
        f"SELECT key, {near} AS near FROM {rows_table(table)}"
        f" WHERE {near} IS NOT NULL AND {only.sql}"
    )


def _half(column: str, dimensions: int) -> str:
    return f"({vector_column(column)}::{_halved(dimensions)})"


def _halved(dimensions: int) -> str:
    return f"halfvec({int(dimensions)})"


def _is_for_the_index(cursor: CursorWrapper, table: str, column: str, only: Filter) -> bool:
    """Whether to use the index: it exists, and reading all rows that pass the filter would be
    slower. If the filter passes few rows, the index would skip most of what it finds."""
    cursor.execute(
        # JIT compilation takes longer than any of our queries.
        "SELECT set_config('jit', 'off', true),"
        " EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid)",
        [index_name(table, column)],
    )
    return cursor.fetchone()[1] and not lets_few_through(cursor, table, only)


def _explore(cursor: CursorWrapper, limit: int) -> None:
    """Set how far the index is scanned. The scan goes on while the filter leaves fewer rows than
    the limit.

    The planner overestimates the cost of a vector index and would rather sort the table, so
    sequential scans and sorts are off.
    """
    explored = min(max(limit, EXPLORED), MOST_EXPLORED)
    cursor.execute(
        "SELECT set_config('hnsw.ef_search', %s, true),"
        " set_config('hnsw.iterative_scan', 'relaxed_order', true),"
        " set_config('hnsw.max_scan_tuples', %s, true),"
        " set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)",
        [str(explored), str(MOST_SCANNED)],
    )
