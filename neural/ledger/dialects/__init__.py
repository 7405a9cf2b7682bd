"""SQL dialects: what differs between PostgreSQL and SQLite in hand-written SQL, a class for each.

Only this module checks which database it is.
"""

from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from neural.errors import NeuralError
from neural.ledger.dialects.base import Dialect
from neural.ledger.dialects.postgresql import PostgreSQL
from neural.ledger.dialects.sqlite import SQLite
from neural.models import TaskRun

DIALECTS: dict[str, Dialect] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}
"""The dialects by Django's name of a database's vendor."""
_ANY = Dialect()


class DatabaseUnknown(NeuralError):
    """The ledger's database has no dialect here."""


def ledger_connection() -> BaseDatabaseWrapper:
    """The connection of the database that holds the ledger."""
    return connections[router.db_for_write(TaskRun)]


def ledger_dialect() -> Dialect:
    """The dialect of the ledger's database; raises :class:`DatabaseUnknown` if there is none."""
    vendor = ledger_connection().vendor
    if vendor not in DIALECTS:
        raise DatabaseUnknown(f"the ledger's database is {vendor}, not one of {sorted(DIALECTS)}")
    return DIALECTS[vendor]


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """The dialect of a connection; for another kind of database, the base class's defaults."""
    return DIALECTS.get(connection.vendor, _ANY)


def prepare(*, connection: Any, **_: Any) -> None:
    """A receiver of Django's ``connection_created``."""
    if connection.alias == router.db_for_write(TaskRun):
        dialect_of(connection).prepare(connection)


def preparing_cursor() -> CursorWrapper:
    """A cursor on the ledger's database for frequent statements: planned once, where possible."""
    connection = ledger_connection()
    return dialect_of(connection).preparing_cursor(connection)
