"""The vector store in PostgreSQL with pgvector: its tables are in the same database as Neural's
own.

Where a query concerns few rows, all are compared, else an HNSW index is used (Malkov and Yashunin
2018). It holds half-precision copies of the vectors, which are half the size and find as well. The
rows that it finds are sorted by the vectors themselves.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import (
    Match,
    Row,
    Shape,
    TableMissing,
    TableSize,
    Vector,
    VectorStore,
    Within,
    checked,
    newest_of,
    refused_shape,
    row_of,
)
from neural.retrieval.stores.pgvector.connection import (
    Binary,
    PgVectorUnusable,
    cursor_on,
    database,
    named_errors,
    transact,
    vector,
    vector_from,
)

EXTENSION = "vector"
OLDEST_VERSION = (0, 8)
"""The oldest version of pgvector that works: the first whose HNSW scan goes on while a filter
leaves too few rows."""
INDEXED_ROWS = 5_000
"""A table with at least so many rows gets HNSW indexes."""
FEW_ROWS = 5_000
"""Up to so many rows, reading each one is faster than an index that also has other rows."""
MOST_DIMENSIONS = 4_000
"""pgvector cannot index longer vectors with HNSW."""
EXPLORED, MOST_EXPLORED = 160, 1_000
"""Limits of hnsw.ef_search: the number of rows that are looked at."""
_ROWS = "neural_vectors_"


class PgVectorStore(VectorStore):
    """Tables in the database that holds Neural's models.

    It uses Django's connection of the current thread. A call is part of the caller's transaction if
    there is one; a call that fails leaves that transaction usable and unchanged.
    """

    def create(self, table: str, shape: Shape) -> None:
        transact(table, lambda cursor: _create(cursor, table, shape))

    def drop(self, table: str) -> None:
        statement = f"DROP TABLE IF EXISTS {rows_table(table)}"
        transact(table, lambda cursor: cursor.execute(statement))

    def tables(self) -> list[str]:
        found = _asked(
            "",
            "SELECT substr(relname, %s) FROM pg_class"
            " WHERE relkind = 'r' AND starts_with(relname, %s) AND pg_table_is_visible(oid)",
            [len(_ROWS) + 1, _ROWS],
        )
        return sorted(name for (name,) in found)

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        def write(cursor: CursorWrapper) -> None:
            columns = _shape_of(cursor, table).vectors
            values = [
                [row.key, row.store, row.version, *(_value(row.vectors.get(c)) for c in columns)]
                for row in newest_of(rows)
            ]
            cursor.executemany(_upsert_statement(table, columns), values)

        transact(table, write)

    def delete(self, table: str, keys: Collection[str]) -> None:
        # Rows are locked in the order of upserts, so that the two cannot deadlock.
        statement = (
            f"DELETE FROM {rows_table(table)} WHERE key IN (SELECT key FROM {rows_table(table)}"
            " WHERE key = ANY(%s::text[]) ORDER BY key FOR UPDATE)"
        )
        transact(table, lambda cursor: cursor.execute(statement, [list(keys)]))

    def count(self, table: str, *, within: Within) -> int:
        only, values = _condition(within)
        [[number]] = _asked(table, f"SELECT count(*) FROM {rows_table(table)} WHERE {only}", values)
        return int(number)

    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        asked = (table, column, vector, within, limit)
        return transact(table, lambda cursor: _nearest(cursor, *asked))

    def rows(self, table: str, keys: Sequence[str], *, within: Within) -> dict[str, Row]:
        def read(cursor: CursorWrapper) -> dict[str, Row]:
            names = _shape_of(cursor, table).vectors
            only, values = _condition(within)
            columns = ["key", "store", "version", *(f"vector_send({_column(n)})" for n in names)]
            cursor.execute(
                f"SELECT {', '.join(columns)} FROM {rows_table(table)}"
                f" WHERE key = ANY(%s::text[]) AND {only}",
                [list(keys), *values],
            )
            return {each[0]: row_of(each, names, vector_from) for each in cursor.fetchall()}

        return transact(table, read)

    def compact(self, table: str) -> TableSize:
        """Two things are not possible in a transaction, so they are left out if the caller has one:
        freeing the space of replaced rows, and making indexes without blocking writers."""
        shape = transact(table, lambda cursor: _shape_of(cursor, table))
        alone = not database().in_atomic_block
        with named_errors(table), cursor_on(database()) as cursor, _turn(cursor, table) as mine:
            if mine:
                vacuum = "VACUUM (ANALYZE, SKIP_LOCKED)" if alone else "ANALYZE"
                cursor.execute(f"{vacuum} {rows_table(table)}")
                _index(cursor, table, shape, concurrently="CONCURRENTLY" if alone else "")
        return self.size(table)

    def size(self, table: str) -> TableSize:
        def measure(cursor: CursorWrapper) -> TableSize:
            name = rows_table(table)
            cursor.execute(f"SELECT count(*), pg_total_relation_size(%s) FROM {name}", [name])
            rows, size = cursor.fetchone()
            unindexed = rows if _lacking(cursor, table, _shape_of(cursor, table), rows) else 0
            return TableSize(rows=rows, unindexed_rows=unindexed, bytes=size)

        return transact(table, measure)


def _asked(table: str, statement: str, values: Sequence[Any]) -> list[Any]:
    """The rows that a statement answers."""

    def ask(cursor: CursorWrapper) -> list[Any]:
        cursor.execute(statement, values)
        return cursor.fetchall()

    return transact(table, ask)


# Tables


def rows_table(table: str) -> str:
    """The quoted name of a table in the database."""
    return f'"{_ROWS}{checked(table)}"'


def index_name(table: str, column: str) -> str:
    """The quoted name of the index of a vector column."""
    return f'"neural_near_{table}_{column}"'


def _column(name: str) -> str:
    return f'"vector_{name}"'


def _condition(within: Within) -> tuple[str, list[Any]]:
    """The SQL condition on rows, and the values that it binds."""
    if within.stores is None:
        return "true", []
    return "store = ANY(%s::text[])", [sorted(within.stores)]


def _create(cursor: CursorWrapper, table: str, shape: Shape) -> None:
    # PostgreSQL's IF NOT EXISTS fails if two connections do it at the same time.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('neural_vectors', 0))")
    _extend(cursor)
    try:
        there = _shape_of(cursor, table)
    except TableMissing:
        vectors = [f", {_column(each)} vector({int(shape.dimensions)})" for each in shape.vectors]
        cursor.execute(
            f'CREATE TABLE {rows_table(table)} (key text COLLATE "C" PRIMARY KEY,'
            f' store text COLLATE "C" NOT NULL, version bigint NOT NULL{"".join(vectors)})'
        )
        cursor.execute(f"CREATE INDEX ON {rows_table(table)} (store)")
    else:
        if there != shape and shape.vectors + there.vectors:
            raise refused_shape(table, there, shape)


def _shape_of(cursor: CursorWrapper, table: str) -> Shape:
    """The shape that a table was made with. Raises :class:`TableMissing`."""
    cursor.execute(
        "SELECT attname, atttypmod FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 ORDER BY attnum",
        [rows_table(table)],
    )
    columns = cursor.fetchall()
    if not columns:
        raise TableMissing(f"the vector store has no table {table!r}")
    vectors = {name[7:]: size for name, size in columns if name.startswith("vector_")}
    return Shape(vectors=tuple(vectors), dimensions=max(vectors.values(), default=0))


def _extend(cursor: CursorWrapper) -> None:
    """Create the extension, unless it exists. Only a superuser may create it."""
    cursor.execute("SELECT extversion FROM pg_extension WHERE extname = %s", [EXTENSION])
    found = cursor.fetchone()
    if found is None:
        cursor.execute(f"CREATE EXTENSION {EXTENSION}")
    elif tuple(int(part) for part in found[0].split(".")[:2]) < OLDEST_VERSION:
        raise PgVectorUnusable(
            f"pgvector {found[0]} is too old, 0.8 is needed: install it on the database's machine, "
            "then ALTER EXTENSION vector UPDATE as a superuser"
        )


# Rows


def _upsert_statement(table: str, vectors: Sequence[str]) -> str:
    """The statement that writes one row, unless the existing one has a greater version."""
    columns = ["key", "store", "version", *map(_column, vectors)]
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    return (
        f"INSERT INTO {rows_table(table)} AS kept ({', '.join(columns)})"
        f" VALUES (%s::text, %s::text, %s::bigint{', %s::vector' * len(vectors)})"
        f" ON CONFLICT (key) DO UPDATE SET {changes} WHERE excluded.version >= kept.version"
    )


def _value(given: Vector | None) -> Binary | None:
    """A vector of zeros has no direction and is near to nothing, so it is stored as missing."""
    return None if given is None or not given.any() else vector(given)


# The nearest rows


def _nearest(
    cursor: CursorWrapper, table: str, column: str, wanted: Vector, within: Within, limit: int
) -> list[Match]:
    asked = vector(wanted / max(float(wanted @ wanted) ** 0.5, 1e-12))
    name, (only, values) = _column(column), _condition(within)
    rows = f"FROM {rows_table(table)} WHERE {name} IS NOT NULL AND {only}"
    among = f"SELECT key, {name} AS near {rows}"
    if _is_for_the_index(cursor, table, column, within):
        _explore(cursor, limit)
        order = f"{_half(column, wanted.size)} <#> %s::vector::halfvec({wanted.size})"
        by_index = f"{among} ORDER BY {order} LIMIT %s::bigint"
        found = _best(cursor, by_index, [*values, asked, limit], asked, limit)
        if len(found) >= limit:
            return found
        # If very many vectors are equal, an HNSW index cannot reach all of them.
        cursor.execute("SET LOCAL enable_seqscan = on")
    return _best(cursor, among, values, asked, limit)


def _best(
    cursor: CursorWrapper, among: str, values: Sequence[Any], asked: Binary, limit: int
) -> list[Match]:
    cursor.execute(
        f"SELECT key, -(near <#> %s::vector) AS score FROM ({among}) AS among"
        " ORDER BY near <#> %s::vector, key LIMIT %s::bigint",
        [asked, *values, asked, limit],
    )
    return [Match(key, score) for key, score in cursor.fetchall()]


def _half(column: str, dimensions: int) -> str:
    return f"({_column(column)}::halfvec({int(dimensions)}))"


def _is_for_the_index(cursor: CursorWrapper, table: str, column: str, within: Within) -> bool:
    """Whether to use the index: it is there, and reading all rows of the stores would be slower. Of
    few rows, the index would skip most of what it finds."""
    only, values = _condition(within)
    few = FEW_ROWS if values else 0
    cursor.execute(
        # JIT compilation takes longer than any of our queries.
        "SELECT set_config('jit', 'off', true),"
        " EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid)"
        " AND (SELECT count(*) FROM"
        f" (SELECT FROM {rows_table(table)} WHERE {only} LIMIT %s) AS few) >= %s",
        [index_name(table, column), *values, few, few],
    )
    return bool(cursor.fetchone()[1])


def _explore(cursor: CursorWrapper, limit: int) -> None:
    """Set how far the index is scanned. The scan goes on while the filter leaves fewer rows than
    the limit, up to 200,000 rows that it refuses.

    The planner overestimates the cost of a vector index and would rather sort the table, so
    sequential scans and sorts are off.
    """
    cursor.execute(
        "SELECT set_config('hnsw.ef_search', %s, true),"
        " set_config('hnsw.iterative_scan', 'relaxed_order', true),"
        " set_config('hnsw.max_scan_tuples', '200000', true),"
        " set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)",
        [str(min(max(limit, EXPLORED), MOST_EXPLORED))],
    )


# Compaction


def _lacking(cursor: CursorWrapper, table: str, shape: Shape, rows: int) -> list[str]:
    """The vector columns of a table of so many rows that should have an index and have none. An
    index whose making was cut short is invalid and counts as none."""
    if rows < INDEXED_ROWS or shape.dimensions > MOST_DIMENSIONS:
        return []
    cursor.execute(
        "SELECT name FROM unnest(%s::text[], %s::text[]) AS wanted (name, index) WHERE NOT EXISTS"
        " (SELECT FROM pg_index WHERE indexrelid = to_regclass(index) AND indisvalid)",
        [list(shape.vectors), [index_name(table, each) for each in shape.vectors]],
    )
    return [name for (name,) in cursor.fetchall()]


def _index(cursor: CursorWrapper, table: str, shape: Shape, *, concurrently: str) -> None:
    """Make the HNSW indexes that a large table lacks."""
    cursor.execute(f"SELECT count(*) FROM {rows_table(table)}")
    for column in _lacking(cursor, table, shape, cursor.fetchone()[0]):
        name = index_name(table, column)
        cursor.execute(f"DROP INDEX IF EXISTS {name}")
        cursor.execute(
            f"CREATE INDEX {concurrently} {name} ON {rows_table(table)}"
            f" USING hnsw ({_half(column, shape.dimensions)} halfvec_ip_ops)"
        )


@contextmanager
def _turn(cursor: CursorWrapper, table: str) -> Iterator[bool]:
    """Yields whether this connection has the lock for compacting the table: the unfinished index of
    another process looks like one that was cut short.

    It also sets the memory for making indexes: an HNSW index that fits into memory is built many
    times faster, and 100,000 vectors of 512 take 200 MB. Parallel workers are off: they allocate
    all that memory at once in /dev/shm, which is small in containers.
    """
    key = f"neural_vectors {table}"
    cursor.execute(
        "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)),"
        " set_config('maintenance_work_mem', '1GB', false),"
        " set_config('max_parallel_maintenance_workers', '0', false)",
        [key],
    )
    mine = cursor.fetchone()[0]
    try:
        yield mine
    finally:
        with suppress(DatabaseError, InterfaceError):  # a lost connection has neither any more
            cursor.execute("RESET maintenance_work_mem")
            cursor.execute("RESET max_parallel_maintenance_workers")
            if mine:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])
