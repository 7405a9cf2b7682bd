"""Maintenance of a pgvector table: statistics, counts of tokens, and HNSW indexes."""

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
"""In a larger table, tokens are counted in a sample of about so many rows, and the counts are
scaled."""
_BUILD_MEMORY = "1GB"
"""An HNSW index that fits into memory is built many times faster: 100,000 vectors of 512 take 200
MB."""


def compact(connection: BaseDatabaseWrapper, table: str, shape: Shape) -> None:
    """Vacuum and index a table, unless another process is doing so.

    Two things are not possible in a transaction, so they are left out if the caller has one:
    freeing the space of replaced rows, and making indexes without blocking writers.
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
    """The rows of a table, those added since its last compaction, and its bytes with indexes."""
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
    """Whether the index exists and is valid. An invalid index, whose making was interrupted, is
    dropped."""
    name = index_name(table, column)
    cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
    found = cursor.fetchone()
    if found == (False,):
        cursor.execute(f"DROP INDEX IF EXISTS {name}")
        return False
    return found is not None


@contextmanager
def _lock(cursor: CursorWrapper, table: str, *, alone: bool) -> Iterator[bool]:
    """Yields whether this connection has the lock for compacting the table; it also sets the memory
    for making indexes.

    The lock is needed because the unfinished index of another process looks like an interrupted
    one. Parallel workers are off: they allocate all that memory at once in /dev/shm, which is small
    in containers.
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
    """Release the lock and reset the settings. If the connection is lost, they are gone anyway."""
    with suppress(DatabaseError, InterfaceError):
        cursor.execute("RESET maintenance_work_mem")
        cursor.execute("RESET max_parallel_maintenance_workers")
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])
