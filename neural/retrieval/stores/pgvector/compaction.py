"""Keeping a table in order: statistics, counts of tokens, HNSW indexes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import Shape, TableSize
from neural.retrieval.stores.pgvector import words
from neural.retrieval.stores.pgvector.connection import cursor_on, named_errors, transact
from neural.retrieval.stores.pgvector.nearest import INDEXED_ROWS, MOST_DIMENSIONS, index_statement
from neural.retrieval.stores.pgvector.tables import index_name, rows_table, words_table

SAMPLED_ROWS = 200_000
"""Of a larger table, the counts of tokens are those of about so many rows, scaled."""
_BUILD_MEMORY = "1GB"
"""An HNSW index that fits is built many times faster: 100,000 vectors of 512 take 200 MB."""


def compact(connection: BaseDatabaseWrapper, table: str, shape: Shape) -> None:
    """Bring a table in order, unless somebody else is at it.

    Within a caller's transaction, what cannot be in one is left out: freeing the space of
    replaced rows, and making indexes without holding up writers.
    """
    alone = not connection.in_atomic_block
    with (
        named_errors(table),
        cursor_on(connection) as cursor,
        _lock(cursor, table, alone=alone) as mine,
    ):
        if mine:
            vacuum = "VACUUM (ANALYZE, SKIP_LOCKED)" if alone else "ANALYZE"
            cursor.execute(f"{vacuum} {rows_table(table)}")
            transact(table, lambda cursor: _count(cursor, table, shape))
            _index(cursor, table, shape, concurrently=alone)


def size_of(cursor: CursorWrapper, table: str) -> TableSize:
    """Rows, those beyond what was there when it was last compacted, and bytes with indexes."""
    cursor.execute(
        f"SELECT count(*), pg_total_relation_size(%s) + pg_total_relation_size(%s),"
        f" (SELECT min(rows) FROM {words_table(table)} WHERE hash = %s) FROM {rows_table(table)}",
        [rows_table(table), words_table(table), words.ROWS_COUNTED],
    )
    rows, size, counted = cursor.fetchone()
    return TableSize(rows=rows, unindexed_rows=max(rows - (counted or 0), 0), bytes=size)


def _count(cursor: CursorWrapper, table: str, shape: Shape) -> None:
    """Count in how many rows each token is, for queries to read."""
    cursor.execute(f"SELECT count(*) FROM {rows_table(table)}")
    rows = cursor.fetchone()[0]
    cursor.execute(f"DELETE FROM {words_table(table)}")
    for field in shape.tokens:
        words.keep_counts(cursor, table, field, rows=rows, share=min(SAMPLED_ROWS / (rows or 1), 1))


def _index(cursor: CursorWrapper, table: str, shape: Shape, *, concurrently: bool) -> None:
    """Make the HNSW indexes that a large table lacks."""
    cursor.execute(f"SELECT count(*) FROM {rows_table(table)}")
    if cursor.fetchone()[0] < INDEXED_ROWS or shape.dimensions > MOST_DIMENSIONS:
        return
    for column in shape.vectors:
        if not _is_there(cursor, table, column):
            cursor.execute(
                index_statement(table, column, shape.dimensions, concurrently=concurrently)
            )


def _is_there(cursor: CursorWrapper, table: str, column: str) -> bool:
    """Whether the index is there and whole. One whose making was cut short is dropped."""
    name = index_name(table, column)
    cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
    found = cursor.fetchone()
    if found == (False,):
        cursor.execute(f"DROP INDEX IF EXISTS {name}")
        return False
    return found is not None


@contextmanager
def _lock(cursor: CursorWrapper, table: str, *, alone: bool) -> Iterator[bool]:
    """Whether this connection is the one that compacts the table, with memory to make indexes in.

    Without helpers: they would take all that memory at once, and of a kind that containers have
    little of (/dev/shm). Another's unfinished index would look like one that was cut short.
    """
    span, key = "" if alone else "xact_", f"neural_vectors {table}"
    cursor.execute(
        f"SELECT pg_try_advisory_{span}lock(hashtextextended(%s, 0)),"
        " set_config('maintenance_work_mem', %s, %s),"
        " set_config('max_parallel_maintenance_workers', '0', %s)",
        [key, _BUILD_MEMORY, not alone, not alone],
    )
    try:
        yield cursor.fetchone()[0]
    finally:
        if alone:
            _unlock(cursor, key)


def _unlock(cursor: CursorWrapper, key: str) -> None:
    """Give it all back, unless the connection is lost, and with it all of that."""
    with suppress(DatabaseError, InterfaceError):
        cursor.execute("RESET maintenance_work_mem")
        cursor.execute("RESET max_parallel_maintenance_workers")
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])
