"""Access to PostgreSQL through Django's own connection, values in its binary format, and its errors
as those of a store.

Sending vectors as text would cost more than all the rest of an upsert. The format is that of
``vector_recv`` of pgvector 0.8."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from django.db import DatabaseError, DataError, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import Cursor
from psycopg.adapt import Dumper
from psycopg.pq import Format

from neural.kit.errors import PermanentError
from neural.ledger.dialects import PostgreSQL, despite_contention, ledger_connection, ledger_dialect
from neural.retrieval.stores.base import StoreUnavailable, TableMissing, ValueRefused, Vector

# Values in binary format


class Binary(bytes):
    """A bound value in binary format. The server takes its type from its place in the statement."""

    __slots__ = ()


class BinaryDumper(Dumper):
    """Passes :class:`Binary` on unchanged, without an oid, so that the server infers the type."""

    format = Format.BINARY

    def dump(self, obj: Binary) -> bytes:
        return obj


def vector(values: Vector) -> Binary:
    """A ``vector``."""
    return Binary(np.array([values.size, 0], ">i2").tobytes() + np.asarray(values, ">f4").tobytes())


def vector_from(sent: bytes) -> Vector:
    """The vector that ``vector_send`` wrote."""
    return np.frombuffer(sent, ">f4", offset=4).astype(np.float32)


# The connection


_CREATE = "CREATE EXTENSION vector as a superuser in the database"
_INSTALL = (
    "PostgreSQL has no extension vector: apt-get install postgresql-17-pgvector (of the server's "
    f"version) on the database's machine, then {_CREATE}"
)
_REMEDIES = {
    "0A000": _INSTALL,
    "58P01": _INSTALL,
    "42501": "the database's user may not create the extension vector or a table: "
    f"{_CREATE}, and GRANT CREATE ON SCHEMA public",
    "42704": f"the database has no type vector: {_CREATE}",
}
_UNDEFINED_TABLE = "42P01"

Answer = TypeVar("Answer")


class PgVectorUnusable(PermanentError):
    """The database cannot keep vectors; the message says what is missing and who can install it."""


def database() -> BaseDatabaseWrapper:
    """The connection that Neural's models use. Raises :class:`PgVectorUnusable` if it is not
    PostgreSQL."""
    if not isinstance(ledger_dialect(), PostgreSQL):
        raise PgVectorUnusable(
            "the pgvector store needs PostgreSQL as the database: set DATABASE_URL, "
            "or choose the LanceDB store"
        )
    return ledger_connection()


def cursor_on(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """A cursor whose values the server binds. Django's own cursor writes values into the statement,
    which is impossible for binary ones."""
    connection.ensure_connection()
    cursor = Cursor(connection.connection)
    cursor.adapters.register_dumper(Binary, BinaryDumper)
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    return wrap(cursor)  # type: ignore[arg-type]  # what the stubs know


def transact(table: str, work: Callable[[CursorWrapper], Answer]) -> Answer:
    """Call ``work`` in a transaction, and repeat it if the database rolled it back because of
    another.

    In a transaction of the caller it runs in a savepoint, and a failure rolls back to that.
    """
    connection = database()

    def once() -> Answer:
        with transaction.atomic(using=connection.alias), cursor_on(connection) as cursor:
            return work(cursor)

    with named_errors(table):
        return despite_contention(once)


@contextmanager
def named_errors(table: str) -> Iterator[None]:
    """Raise the database's errors as those of a vector store."""
    try:
        yield
    except (DatabaseError, InterfaceError, UnicodeEncodeError) as error:
        message = " ".join(str(error).split())
        state = getattr(error.__cause__, "sqlstate", None)
        if isinstance(error, OperationalError | InterfaceError):
            connection = ledger_connection()
            if not connection.in_atomic_block:  # so that the next call gets a new one
                connection.close_if_unusable_or_obsolete()
            raise StoreUnavailable(f"PostgreSQL does not answer: {message}") from error
        if isinstance(error, DataError | UnicodeEncodeError):
            raise ValueRefused(f"PostgreSQL cannot keep this in {table!r}: {message}") from error
        if state == _UNDEFINED_TABLE:
            raise TableMissing(f"the vector store has no table {table!r}") from error
        if state in _REMEDIES:
            raise PgVectorUnusable(f"{_REMEDIES[state]} ({message})") from error
        raise
