"""Access to PostgreSQL through Django's own connection, with errors translated to those of a
store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import DatabaseError, DataError, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import Cursor

from neural.errors import PermanentError
from neural.ledger.dialects import PostgreSQL, despite_contention, ledger_connection, ledger_dialect
from neural.retrieval.stores.base import StoreUnavailable, TableMissing, ValueRefused
from neural.retrieval.stores.pgvector.wire import Binary, BinaryDumper

_UNDEFINED_TABLE = "42P01"
_INSTALL = (
    "apt-get install postgresql-17-pgvector (of the server's version) on the database's machine, "
    "then CREATE EXTENSION vector as a superuser in the database"
)
_EXTENSION_STATES = {
    "0A000": f"PostgreSQL has no extension vector: {_INSTALL}",
    "58P01": f"PostgreSQL has no extension vector: {_INSTALL}",
    "42501": "the database's user may not create the extension vector or a table: CREATE EXTENSION "
    "vector as a superuser in the database, and GRANT CREATE ON SCHEMA public",
    "42704": "the database has no type vector: CREATE EXTENSION vector as a superuser",
}

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
    except (OperationalError, InterfaceError) as error:
        _let_go_of_what_broke()
        raise StoreUnavailable(f"PostgreSQL does not answer: {_said(error)}") from error
    except (DataError, UnicodeEncodeError) as error:
        raise ValueRefused(f"PostgreSQL cannot keep this in {table!r}: {_said(error)}") from error
    except DatabaseError as error:
        state = getattr(error.__cause__, "sqlstate", None)
        if state == _UNDEFINED_TABLE:
            raise TableMissing(f"the vector store has no table {table!r}") from error
        if state in _EXTENSION_STATES:
            raise PgVectorUnusable(f"{_EXTENSION_STATES[state]} ({_said(error)})") from error
        raise


def _let_go_of_what_broke() -> None:
    """Close a broken connection, unless a transaction is open, so that the next call gets a new
    one."""
    connection = ledger_connection()
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())
