"""Talking to PostgreSQL: Django's own connection, and errors in the words of a vector store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import DatabaseError, DataError, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import Cursor

from neural.errors import PermanentError
from neural.ledger.dialects import PostgreSQL, ledger_connection, ledger_dialect
from neural.ledger.outages import despite_contention
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
    """The database cannot keep vectors: it says what is missing and who installs it."""


def database() -> BaseDatabaseWrapper:
    """The connection that Neural's models use, if it is PostgreSQL's."""
    if not isinstance(ledger_dialect(), PostgreSQL):
        raise PgVectorUnusable(
            "the pgvector store needs PostgreSQL as the database: set DATABASE_URL, "
            "or choose the LanceDB store"
        )
    return ledger_connection()


def cursor_on(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """A cursor whose values are bound by the server: Django's own writes them into the
    statement, which binary ones cannot be."""
    connection.ensure_connection()
    cursor = Cursor(connection.connection)
    cursor.adapters.register_dumper(Binary, BinaryDumper)
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    return wrap(cursor)  # type: ignore[arg-type]  # what the stubs know


def transact(table: str, work: Callable[[CursorWrapper], Answer]) -> Answer:
    """Do it in a transaction, again if the database undid it for the sake of another.

    Within a caller's transaction it is a savepoint, which what fails is rolled back to.
    """
    connection = database()

    def once() -> Answer:
        with transaction.atomic(using=connection.alias), cursor_on(connection) as cursor:
            return work(cursor)

    with named_errors(table):
        return despite_contention(once)


@contextmanager
def named_errors(table: str) -> Iterator[None]:
    """Let what the database refuses be raised as the store's errors."""
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
    """Outside of a transaction the next call gets a new connection."""
    connection = ledger_connection()
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())
