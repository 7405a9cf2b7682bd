"""SQL dialects: what differs between PostgreSQL and SQLite in hand-written SQL, a class for each.

Only this module checks which database it is. It also repeats work: after an outage, work that must
not be given up waits for the database to return; after contention, a transaction that was rolled
back in favour of another one is repeated at once.
"""

import random
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from neural.kit.errors import NeuralError
from neural.ledger.dialects.base import Dialect
from neural.ledger.dialects.postgresql import PostgreSQL
from neural.ledger.dialects.sqlite import SQLite
from neural.models import TaskRun

DIALECTS: dict[str, Dialect] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}
"""The dialects by Django's name of a database's vendor."""
_ANY = Dialect()
Value = TypeVar("Value")
LONGEST_PAUSE_SECONDS = 2.0
MAX_ATTEMPTS = 5
_DEADLOCK_STATES = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout


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


# Repeating work


def retry_until(action: Callable[[], Value], *, seconds: float) -> Value:
    """Call ``action`` until it succeeds; returns its value.

    While the database is unavailable, the call is repeated on a new connection for up to so many
    seconds; then its error is raised. Within a caller's transaction (tests) it is called once,
    because that transaction cannot be repeated.
    """
    deadline = time.monotonic() + seconds
    pause = 0.05
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError):
            connection = ledger_connection()
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def is_outage(error: BaseException) -> bool:
    """Whether this error is usual while the database or the broker is away or overloaded."""
    return isinstance(error, OperationalError | InterfaceError | ConnectionError | TimeoutError)


def drop_cursors(error: BaseException) -> None:
    """Let go of the cursors in the frames that this error has left. Call it before a connection is
    closed because of the error.

    The module sqlite3 of Python 3.11 closes a connection only when its last statement ends. A
    signal may raise in the middle of an UPDATE … RETURNING, whose cursor the traceback keeps. Until
    that is gone, the closed connection would hold SQLite's one write lock against everybody, also
    against the next connection of its own process.
    """
    traceback.clear_frames(error.__traceback__)


def is_contention(error: BaseException) -> bool:
    """Whether another transaction caused this error: a deadlock, a serialization failure, a lock
    timeout or a locked database."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    return state in _DEADLOCK_STATES or "database is locked" in str(error)


def despite_contention(
    transact: Callable[[], Value],
    *,
    may_repeat: Callable[[OperationalError], bool] = is_contention,
) -> Value:
    """Call a function that is a whole transaction, up to :data:`MAX_ATTEMPTS` times; returns its
    value. It is called again after an error for which ``may_repeat`` returns True."""
    for attempt in range(1, MAX_ATTEMPTS):
        try:
            return transact()
        except OperationalError as error:
            if not may_repeat(error):
                raise
            time.sleep(random.uniform(0.01, 0.05) * attempt)
    return transact()
