"""Making tables of the pgvector store, and what they were made with."""

from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import Shape, TableMissing
from neural.retrieval.stores.pgvector import tables
from neural.retrieval.stores.pgvector.connection import PgVectorUnusable

EXTENSION = "vector"
OLDEST_VERSION = (0, 8)
"""Of pgvector: the first whose HNSW scan goes on while a filter leaves too few rows."""


def create(cursor: CursorWrapper, table: str, shape: Shape) -> None:
    """Make a table, or find that it is there with this shape."""
    # PostgreSQL's IF NOT EXISTS fails where two do it at once.
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('neural_vectors', 0))")
    _extend(cursor)
    there = _comment(cursor, table)
    if there is None:
        for statement in tables.creation(table, shape):
            cursor.execute(statement)
    elif tables.shape_in(there) != shape:
        raise tables.TableRefused(
            f"table {table!r} is there with {tables.shape_in(there)}, not {shape}"
        )


def shape_of(cursor: CursorWrapper, table: str) -> Shape:
    """The shape that a table was made with, or :class:`TableMissing`."""
    said = _comment(cursor, table)
    if said is None:
        raise TableMissing(f"the vector store has no table {table!r}")
    return tables.shape_in(said)


def table_names(cursor: CursorWrapper) -> list[str]:
    """Names of all tables, sorted."""
    cursor.execute(
        "SELECT obj_description(oid, 'pg_class') FROM pg_class"
        " WHERE relkind = 'r' AND starts_with(relname, %s) AND pg_table_is_visible(oid)",
        [tables.ROWS],
    )
    return sorted(tables.name_in(said) for (said,) in cursor.fetchall() if said)


def _comment(cursor: CursorWrapper, table: str) -> str | None:
    cursor.execute(
        "SELECT obj_description(to_regclass(%s), 'pg_class')", [tables.rows_table(table)]
    )
    said = cursor.fetchone()[0]
    return None if said is None else str(said)


def _extend(cursor: CursorWrapper) -> None:
    """Make the extension, which only a superuser may, unless it is there."""
    cursor.execute("SELECT extversion FROM pg_extension WHERE extname = %s", [EXTENSION])
    found = cursor.fetchone()
    if found is None:
        cursor.execute(f"CREATE EXTENSION {EXTENSION}")
    elif tuple(int(part) for part in found[0].split(".")[:2]) < OLDEST_VERSION:
        raise PgVectorUnusable(
            f"pgvector {found[0]} is too old, 0.8 is needed: install it on the database's machine, "
            "then ALTER EXTENSION vector UPDATE as a superuser"
        )
