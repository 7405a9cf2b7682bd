"""The SQL dialect of SQLite: one file, and one writer at a time."""

import datetime as dt
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from neural.ledger.dialects.base import IDLE, IN_TRANSACTION, Columns, Dialect, Rows
from neural.ledger.work import works_on_history
from neural.runs.models.run import NO_LIMITS

_NO_LIMITS = ", ".join(f"'$.{name}'" for name in NO_LIMITS)
STEP_SECONDS = 0.002
"""How long a transaction that did not get the lock waits before it asks anew."""
LONGEST_COURTESY_SECONDS = 0.1
"""How long work on history lets others go first: no longer, as other work may wait for its process,
and it must never stand still."""


def _begin(connection: Any, begin: Callable[[], None]) -> None:
    driver = connection.connection
    (patience,) = driver.execute("PRAGMA busy_timeout").fetchone()
    began, is_history = time.monotonic(), works_on_history()
    courtesy = min(LONGEST_COURTESY_SECONDS, patience / 1000) if is_history else 0
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        with _turnstile(connection) as turnstile:
            while True:
                waited = time.monotonic() - began
                try:
                    if waited >= courtesy or not _is_waited_at(turnstile):
                        return begin()
                except OperationalError as error:
                    if "database is locked" not in str(error) or waited >= patience / 1000:
                        raise
                if not is_history:
                    _is_locked(turnstile, fcntl.LOCK_SH)
                time.sleep(STEP_SECONDS)
    finally:
        driver.execute(f"PRAGMA busy_timeout = {patience}")


@contextmanager
def _turnstile(connection: Any) -> Iterator[int | None]:
    """Where work on history lets all other transactions of this host go first.

    It is the database's folder: whoever waits for the write lock shares a lock of the folder, which
    the kernel drops with its process. SQLite's own lock decides as before; where the folder cannot
    be locked, nobody seems to wait.
    """
    try:
        folder = os.open(Path(str(connection.settings_dict["NAME"])).parent, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        _is_locked(folder, fcntl.LOCK_UN)  # a process that was forked meanwhile has it as well
        os.close(folder)


def _is_waited_at(turnstile: int | None) -> bool:
    is_mine = _is_locked(turnstile, fcntl.LOCK_EX)
    _is_locked(turnstile, fcntl.LOCK_UN)
    return not is_mine


def _is_locked(turnstile: int | None, how: int) -> bool:
    """Lock it, unless another process has locked it otherwise. Returns whether that was so."""
    try:
        if turnstile is not None:
            fcntl.flock(turnstile, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # such as on a network file system
    return True


class SQLite(Dialect):
    """SQLite has no arrays and no type for times: it gets lists and rows as JSON, times as text."""

    clock = "strftime('%%Y-%%m-%%d %%H:%%M:%%f','now')"
    clock_plus = "strftime('%%Y-%%m-%%d %%H:%%M:%%f','now', %s)"
    least = "MIN"
    greatest = "MAX"
    skip_locked = ""
    no_limits = f"(options = '{{}}' OR json_remove(options, {_NO_LIMITS}) = '{{}}')"
    bound_moment = "%s"
    arrays = "json_each(%s)"
    changes_rows_in_with = False
    returns_joined_rows = False
    retries_contention = False  # a statement that fails on a lock has waited for its ``timeout``
    survives_fork = False

    def seconds(self, value: float) -> str:
        return f"{value:+.3f} seconds"

    def _moment(self, utc: dt.datetime) -> str:
        return utc.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")

    def is_one_of(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(%s))"

    def bound_list(self, values: Iterable[Any]) -> str:
        return json.dumps(list(values))

    def as_json(self, expression: str) -> str:
        return expression

    def columns_of_arrays(self, columns: Columns) -> str:
        return ", ".join(
            f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(columns)
        )

    def records(self, columns: Columns, name: str) -> str:
        parts = ", ".join(f"json_extract(value, '$.{column}') AS {column}" for column in columns)
        return f"(SELECT {parts} FROM json_each(%s)) AS {name}"

    def table(self, columns: Columns, rows: Rows) -> tuple[str, list[Any]]:
        parts = self.columns_of_arrays(columns)
        return f"(SELECT {parts} FROM json_each(%s))", [json.dumps(rows, default=str)]

    def values(self, kinds: Sequence[str], columns: Rows) -> tuple[str, list[Any]]:
        places = "(" + ", ".join("%s" for _ in columns) + ")"
        rows = list(zip(*columns, strict=True))
        return f"VALUES {', '.join([places] * len(rows))}", [each for row in rows for each in row]

    def elements(self, column: str) -> str:
        return f"json_each({column})"

    def join_elements(self, column: str, name: str) -> str:
        return f"JOIN json_each({column}) AS {name}"

    def writing(self, connection: BaseDatabaseWrapper) -> AbstractContextManager[object]:
        return transaction.atomic(using=connection.alias, savepoint=False)

    def epoch_seconds(self, column: str) -> str:
        return f"CAST(strftime('%%s', {column}) AS INTEGER)"

    def triggers(self, cursor: CursorWrapper, tables: Sequence[str]) -> Sequence[tuple[str, str]]:
        cursor.execute(
            f"""
            SELECT 'DROP TRIGGER "' || name || '"', sql FROM sqlite_master
            WHERE type = 'trigger' AND {self.is_one_of("tbl_name")}
            """,
            [self.bound_list(tables)],
        )
        return cursor.fetchall()

    def patience(self, cursor: CursorWrapper) -> str:
        cursor.execute("PRAGMA busy_timeout")
        return str(cursor.fetchone()[0])

    def prepare(self, connection: Any) -> None:
        """Let the transactions of a connection wait fairly for the lock.

        SQLite asks for the lock less and less often, in the end every 100 ms, so whoever waits
        beside a busy worker is passed by again and again (docs/explanation/performance.md). A
        transaction that takes the lock when it begins (``IMMEDIATE``) then asks every few
        milliseconds, for as long as the connection's ``timeout`` says, and work on history lets
        all others go first.
        """
        begin = partial(type(connection)._start_transaction_under_autocommit, connection)
        connection._start_transaction_under_autocommit = partial(_begin, connection, begin)

    def others_wait(self, connection: BaseDatabaseWrapper) -> bool:
        if not works_on_history():
            return False
        with _turnstile(connection) as turnstile:
            return _is_waited_at(turnstile)

    def set_patience(self, cursor: CursorWrapper, milliseconds: str) -> None:
        cursor.execute(f"PRAGMA busy_timeout = {int(milliseconds)}")

    def transaction_status(self, driver: Any) -> int:
        return IN_TRANSACTION if driver.in_transaction else IDLE

    def microseconds(self, connection: BaseDatabaseWrapper) -> int:
        return time.time_ns() // 1000  # SQLite's clock is the host's, but in milliseconds only

    def file(self, connection: BaseDatabaseWrapper) -> Path:
        return Path(str(connection.settings_dict["NAME"])).absolute()

    def journal_mode(self, cursor: CursorWrapper) -> str:
        cursor.execute("PRAGMA journal_mode")
        return str(cursor.fetchone()[0])
