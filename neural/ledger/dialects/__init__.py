"""What PostgreSQL and SQLite say in different words, where the ledger and what stands on it write
SQL themselves: a class each, and nobody but this module asks which database it is."""

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from neural.errors import NeuralError
from neural.ledger.dialects.base import Dialect
from neural.ledger.dialects.postgresql import PostgreSQL
from neural.ledger.dialects.sqlite import SQLite
from neural.models import TaskRun

DIALECTS: dict[str, Dialect] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}
"""By what Django calls a database's vendor."""
_ANY = Dialect()


class DatabaseUnknown(NeuralError):
    """The ledger is in a database that no dialect is of."""


def ledger_connection() -> BaseDatabaseWrapper:
    """The connection of the database that holds the ledger."""
    return connections[router.db_for_write(TaskRun)]


def ledger_dialect() -> Dialect:
    """How the database that holds the ledger is spoken to."""
    vendor = ledger_connection().vendor
    if vendor not in DIALECTS:
        raise DatabaseUnknown(f"the ledger's database is {vendor}, not one of {sorted(DIALECTS)}")
    return DIALECTS[vendor]


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """How a connection is spoken to; of a database that is not known, what holds of any."""
    return DIALECTS.get(connection.vendor, _ANY)


def preparing_cursor() -> CursorWrapper:
    """A cursor on the ledger's database for statements that are sent again and again."""
    connection = ledger_connection()
    return dialect_of(connection).preparing_cursor(connection)
