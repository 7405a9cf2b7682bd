"""The few words in which PostgreSQL and SQLite differ where the ledger writes SQL itself.

Django's ORM has no UPDATE … RETURNING and no UPDATE … FROM, and the ledger's rates rest
on both. Values are always bound, never formatted into a statement.
"""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from neural.models import TaskRun


def ledger_connection() -> BaseDatabaseWrapper:
    """The connection of the database that holds the ledger."""
    return connections[router.db_for_write(TaskRun)]


def is_postgresql() -> bool:
    return ledger_connection().vendor == "postgresql"


def preparing_cursor() -> CursorWrapper:
    """A cursor on the ledger's database whose statements PostgreSQL plans once, where
    ``prepare_threshold`` in the database's OPTIONS allows it. Planning is a third of what
    submitting or claiming one run costs. Django's own cursor writes values into the statement,
    so that each is a new one."""
    connection = ledger_connection()
    cursor = connection.cursor()
    if getattr(cursor.connection, "prepare_threshold", None) is None:
        return cursor
    from psycopg import Cursor  # not there where the database is SQLite

    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    return wrap(Cursor(cursor.connection))  # type: ignore[arg-type]  # what the stubs know


def pending() -> str:
    """``state`` is pending, in a statement that finds its rows by their keys.

    Written so that no index of what is pending answers it. A table that was analyzed when
    nothing waited makes PostgreSQL expect that such an index holds one row, and it would read
    the whole backlog instead of looking up a key.
    """
    return "state || '' = 'pending'"


def clock() -> str:
    """The database's clock, as SQL; equal all through one statement."""
    return (
        "statement_timestamp()" if is_postgresql() else "strftime('%%Y-%%m-%%d %%H:%%M:%%f','now')"
    )


def clock_plus() -> str:
    """The database's clock and as much as :func:`seconds` binds."""
    if is_postgresql():
        return f"{clock()} + %s * interval '1 second'"
    return "strftime('%%Y-%%m-%%d %%H:%%M:%%f','now', %s)"


def seconds(value: float) -> float | str:
    return value if is_postgresql() else f"{value:+.3f} seconds"


def skip_locked() -> str:
    """Passes over rows that another worker is taking; SQLite has one writer at a time."""
    return "FOR UPDATE SKIP LOCKED" if is_postgresql() else ""


def is_one_of(column: str) -> str:
    """``column`` is in the list bound by :func:`bound_list`."""
    if is_postgresql():
        return f"{column} = ANY(%s)"
    return f"{column} IN (SELECT value FROM json_each(%s))"


def bound_list(values: Any) -> Any:
    if is_postgresql():
        return list(values)
    return json.dumps(list(values))


def moment(value: dt.datetime | None) -> str | None:
    """A point in time as the database compares it in a statement of ours."""
    if value is None:
        return None
    utc = value.astimezone(dt.UTC)
    if is_postgresql():
        return utc.isoformat()
    return utc.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def columns(rows: Sequence[Sequence[Any]], *, width: int) -> list[Any]:
    """Rows turned into the arrays of an ``unnest`` (PostgreSQL)."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]


def extracted(names: Iterable[str]) -> str:
    """The columns of rows that are arrays in one bound JSON array (SQLite's json_each)."""
    return ", ".join(
        f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(names)
    )
