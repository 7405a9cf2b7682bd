"""The vector store in PostgreSQL with pgvector: its tables are in the same database as Neural's
own."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import (
    Match,
    Row,
    Shape,
    TableMissing,
    TableRefused,
    TableSize,
    Vector,
    VectorStore,
    Within,
    newest_of,
)
from neural.retrieval.stores.pgvector import compaction, connection, nearest, tables, words
from neural.retrieval.stores.pgvector.connection import (
    PgVectorUnusable,
    database,
    hashes_of,
    transact,
)
from neural.retrieval.stores.pgvector.tables import (
    Filter,
    filter_of,
    hashes_column,
    rows_table,
    vector_column,
    weights_column,
    words_table,
)
from neural.retrieval.stores.pgvector.words import repeated

EXTENSION = "vector"
OLDEST_VERSION = (0, 8)
"""The oldest version of pgvector that works: the first whose HNSW scan goes on while a filter
leaves too few rows."""


class PgVectorStore(VectorStore):
    """Tables in the database that holds Neural's models.

    It uses Django's connection of the current thread. A call is part of the caller's transaction if
    there is one; a call that fails leaves that transaction usable and unchanged.
    """

    def create(self, table: str, shape: Shape) -> None:
        transact(table, lambda cursor: create(cursor, table, shape))

    def drop(self, table: str) -> None:
        both = f"{rows_table(table)}, {words_table(table)}"
        transact(table, lambda cursor: cursor.execute(f"DROP TABLE IF EXISTS {both}"))

    def tables(self) -> list[str]:
        return transact("", table_names)

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        def write(cursor: CursorWrapper) -> None:
            shape = shape_of(cursor, table)
            values = [values_of(row, shape) for row in newest_of(rows)]
            cursor.executemany(upsert_statement(table, shape), values)

        transact(table, write)

    def delete(self, table: str, keys: Collection[str]) -> None:
        # Rows are locked in the order of upserts, so that the two cannot deadlock.
        statement = (
            f"DELETE FROM {rows_table(table)} WHERE key IN (SELECT key FROM {rows_table(table)}"
            " WHERE key = ANY(%s::text[]) ORDER BY key FOR UPDATE)"
        )
        transact(table, lambda cursor: cursor.execute(statement, [list(keys)]))

    def count(self, table: str, *, within: Within) -> int:
        only = filter_of(within)

        def ask(cursor: CursorWrapper) -> int:
            cursor.execute(
                f"SELECT count(*) FROM {rows_table(table)} WHERE {only.sql}", only.values
            )
            return int(cursor.fetchone()[0])

        return transact(table, ask)

    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        return transact(
            table,
            lambda cursor: nearest.nearest(
                cursor,
                table=table,
                column=column,
                vector=vector,
                only=filter_of(within),
                limit=limit,
            ),
        )

    def matching(
        self, table: str, *, column: str, tokens: Collection[str], within: Within, limit: int
    ) -> list[Match]:
        return transact(
            table,
            lambda cursor: words.matching(
                cursor,
                table=table,
                column=column,
                tokens=list(hashes_of(tokens)),
                only=filter_of(within),
                limit=limit,
            ),
        )

    def rows(self, table: str, keys: Sequence[str], *, within: Within) -> dict[str, Row]:
        only = filter_of(within)

        def read(cursor: CursorWrapper) -> dict[str, Row]:
            shape = shape_of(cursor, table)
            cursor.execute(selection(table, shape, only), [list(keys), *only.values])
            return {values[0]: row_of(values, shape) for values in cursor.fetchall()}

        return transact(table, read)

    def compact(self, table: str) -> TableSize:
        shape = transact(table, lambda cursor: shape_of(cursor, table))
        compaction.compact(database(), table, shape)
        return self.size(table)

    def size(self, table: str) -> TableSize:
        return transact(table, lambda cursor: compaction.size_of(cursor, table))


def create(cursor: CursorWrapper, table: str, shape: Shape) -> None:
    """Make a table, unless it exists with this shape. Raises :class:`TableRefused` for another
    shape."""
    # PostgreSQL's IF NOT EXISTS fails if two connections do it at the same time.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('neural_vectors', 0))")
    _extend(cursor)
    there = _comment(cursor, table)
    if there is None:
        for statement in tables.creation(table, shape):
            cursor.execute(statement)
    elif tables.shape_in(there) != shape:
        raise TableRefused(f"table {table!r} is there with {tables.shape_in(there)}, not {shape}")


def shape_of(cursor: CursorWrapper, table: str) -> Shape:
    """The shape that a table was made with. Raises :class:`TableMissing`."""
    comment = _comment(cursor, table)
    if comment is None:
        raise TableMissing(f"the vector store has no table {table!r}")
    return tables.shape_in(comment)


def table_names(cursor: CursorWrapper) -> list[str]:
    """Names of all tables, sorted."""
    cursor.execute(
        "SELECT obj_description(oid, 'pg_class') FROM pg_class"
        " WHERE relkind = 'r' AND starts_with(relname, %s) AND pg_table_is_visible(oid)",
        [tables.ROWS],
    )
    return sorted(tables.name_in(comment) for (comment,) in cursor.fetchall() if comment)


def _comment(cursor: CursorWrapper, table: str) -> str | None:
    cursor.execute(
        "SELECT obj_description(to_regclass(%s), 'pg_class')", [tables.rows_table(table)]
    )
    comment = cursor.fetchone()[0]
    return None if comment is None else str(comment)


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


# Rows as they are written and read


_PLAIN = {
    "key": "text",
    "store": "text",
    "kind": "text",
    "at": "timestamptz",
    "version": "bigint",
    "title": "text",
    "names": "text[]",
    "text": "text",
}


def upsert_statement(table: str, shape: Shape) -> str:
    """The statement that writes one row, unless the existing one has a greater version."""
    types = _types(shape)
    places = ", ".join(f"%s::{each}" for each in types.values())
    changes = ", ".join(f"{name} = excluded.{name}" for name in types)
    return (
        f"INSERT INTO {rows_table(table)} AS kept ({', '.join(types)}) VALUES ({places})"
        f" ON CONFLICT (key) DO UPDATE SET {changes} WHERE excluded.version >= kept.version"
    )


def values_of(row: Row, shape: Shape) -> list[Any]:
    """The values that :func:`upsert_statement` binds."""
    return [
        *(row.key, row.store, row.kind, row.at, row.version),
        connection.text(row.title),
        [connection.text(name) for name in row.names],
        connection.text(row.text),
        *(value for name in shape.tokens for value in _token_values(row.tokens.get(name, ()))),
        *(_vector_value(row, name) for name in shape.vectors),
    ]


def selection(table: str, shape: Shape, only: Filter) -> str:
    """The statement that reads rows. It binds a list of keys, then the values of the filter."""
    vectors = [f"vector_send({vector_column(name)})" for name in shape.vectors]
    return (
        f"SELECT {', '.join([*_PLAIN, *vectors])} FROM {rows_table(table)}"
        f" WHERE key = ANY(%s::text[]) AND {only.sql}"
    )


def row_of(values: Sequence[Any], shape: Shape) -> Row:
    """A row from the values that were read."""
    plain = dict(zip(_PLAIN, values, strict=False))
    sent = zip(shape.vectors, values[len(_PLAIN) :], strict=True)
    at = plain["at"]
    return Row(
        **{
            **plain,
            "at": at and at.astimezone(dt.UTC),
            "names": tuple(plain["names"]),
            "vectors": {
                name: connection.vector_from(each) for name, each in sent if each is not None
            },
        }
    )


def _types(shape: Shape) -> dict[str, str]:
    """Types of all columns by their quoted names, in the order of :func:`values_of`."""
    types = dict(_PLAIN)
    for name in shape.tokens:
        types |= {hashes_column(name): "bigint[]", weights_column(name): "sparsevec"}
    return types | {vector_column(name): "vector" for name in shape.vectors}


def _token_values(
    tokens: Sequence[str],
) -> tuple[connection.Binary | None, connection.Binary | None]:
    occurrences = connection.hashes_of(tokens)
    if not occurrences:
        return None, None
    return connection.bigints(list(occurrences)), connection.weights(repeated(occurrences))


def _vector_value(row: Row, name: str) -> connection.Binary | None:
    """A vector of zeros has no direction and is near to nothing, so it is stored as missing."""
    vector = row.vectors.get(name)
    return None if vector is None or not vector.any() else connection.vector(vector)
