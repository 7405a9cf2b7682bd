"""The SQL dialect of PostgreSQL.

Its statements return runs with their events and stores at once. Django cannot build those, since
``raw()`` builds one model. :func:`runs_of` does it from the rows.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from neural.ledger.dialects.base import Columns, Dialect, Rows
from neural.models import NeuralEvent, Store, TaskRun
from neural.runs.models.run import NO_LIMITS

Row = TypeVar("Row", bound=Model)

JOINS = f"""
    LEFT JOIN {NeuralEvent._meta.db_table} AS event ON event.id = chosen.event_id
    LEFT JOIN {Store._meta.db_table} AS store ON store.code = event.store_id
"""
# Loaded on access: each of these columns would slow down every claim, and work rarely needs them.
# `error` is not among them: most are empty, and every task asks whether there is one.
_DEFERRED = {
    TaskRun: {"created_at", "publish_at", "finished_at", "unique_key", "result"},
    NeuralEvent: {"content_hash", "unhandled", "pruned_at"},
}
_OF_THIS_DATABASE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
"""Of ``pg_locks``: databases made from one template number their tables alike."""
_LOCK_OF_KEY = "1702, hashtext({}) & 1023"
"""An advisory lock: a number of ours, and one of a few, since a server has room for some thousands
of locks. Keys that share one wait for each other."""


@cache
def columns() -> str:
    """The columns of ``run``, and of the event and store that :data:`JOINS` joins to it."""
    tables = {"run": TaskRun, "event": NeuralEvent, "store": Store}
    return ", ".join(
        f'{alias}."{field.column}"' for alias, model in tables.items() for field in _fields(model)
    )


def runs_of(rows: Iterable[Sequence[Any]], connection: BaseDatabaseWrapper) -> list[TaskRun]:
    """The runs of rows with the columns of :func:`columns`, each with its event and store. Further
    columns of a row are ignored."""
    stores: dict[str, Store] = {}
    return [_run(iter(row), stores, connection) for row in rows]


def _run(row: Iterator[Any], stores: dict[str, Store], connection: BaseDatabaseWrapper) -> TaskRun:
    run = _built(TaskRun, row, connection)
    if run.event_id is not None:
        run.event = event = _built(NeuralEvent, row, connection)
        if event.store_id not in stores:
            stores[event.store_id] = _built(Store, row, connection)
        event.store = stores[event.store_id]
    return run


def _built(model: type[Row], row: Iterator[Any], connection: BaseDatabaseWrapper) -> Row:
    names, converters = _layout(model)
    values = list(islice(row, len(names)))
    for place, convert in converters:
        values[place] = convert(values[place], None, connection)
    return model.from_db(connection.alias, names, values)


@cache
def _layout(model: type[Model]) -> tuple[Collection[str], list[tuple[int, Any]]]:
    """Names of a model's columns, and positions and converters of those that need one (JSON)."""
    fields = _fields(model)
    readers = ((place, getattr(field, "from_db_value", None)) for place, field in enumerate(fields))
    names = dict.fromkeys(field.attname for field in fields)  # a dict: from_db looks names up in it
    return names, [each for each in readers if each[1]]


def _fields(model: type[Model]) -> Sequence[Any]:
    left_out = _DEFERRED.get(model, ())
    return [field for field in model._meta.concrete_fields if field.name not in left_out]


# The dialect


class PostgreSQL(Dialect):
    """PostgreSQL: many writers at once, and WITH may change rows in several tables."""

    clock = "statement_timestamp()"
    clock_plus = f"{clock} + %s * interval '1 second'"
    share_lock = "FOR KEY SHARE"
    skip_locked = "FOR UPDATE SKIP LOCKED"
    # Not a lock of the row: who shares one goes before a claim that already waits for it.
    nobody_holds_its_key = f"""(run.unique_key IS NULL
        OR pg_advisory_xact_lock({_LOCK_OF_KEY.format("run.unique_key")}) IS NOT NULL)"""
    no_limits = f"(options = '{{}}' OR options - '{{{','.join(NO_LIMITS)}}}'::text[] = '{{}}')"
    bound_moment = "%s::timestamptz"
    arrays = "jsonb_array_elements(%s::jsonb)"
    changes_rows_in_with = True
    returns_joined_rows = True
    has_lateral = True
    flushes = True
    retries_contention = True
    has_socket = True
    survives_fork = True

    def seconds(self, value: float) -> float:
        return value

    def _moment(self, utc: dt.datetime) -> str:
        return utc.isoformat()

    def is_one_of(self, column: str) -> str:
        return f"{column} = ANY(%s)"

    def bound_list(self, values: Iterable[Any]) -> list[Any]:
        return list(values)

    def as_json(self, expression: str) -> str:
        return f"{expression}::jsonb"

    def columns_of_arrays(self, columns: Columns) -> str:
        # By place: the names of ``jsonb_to_recordset`` made the statement a tenth slower.
        kinds = enumerate(columns.items())
        return ", ".join(f"(value->>{n})::{kind} AS {name}" for n, (name, kind) in kinds)

    def records(self, columns: Columns, name: str) -> str:
        kinds = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        return f"jsonb_to_recordset(%s::jsonb) AS {name}({kinds})"

    def table(self, columns: Columns, rows: Rows) -> tuple[str, list[Any]]:
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        turned = [list(column) for column in zip(*rows, strict=True)]
        return f"unnest({arrays})", turned or [[] for _ in columns]

    def values(self, kinds: Sequence[str], columns: Rows) -> tuple[str, list[Any]]:
        # Without a length, as a value that is too long is to be refused and not cut off.
        arrays = ", ".join(f"%s::{kind.partition('(')[0]}[]" for kind in kinds)
        return f"SELECT * FROM unnest({arrays})", [list(column) for column in columns]

    def elements(self, column: str) -> str:
        return f"jsonb_array_elements({column})"

    def join_elements(self, column: str, name: str) -> str:
        return f"CROSS JOIN jsonb_array_elements({column}) AS {name} (value)"

    def not_waiting_for_the_disk(self, condition: str) -> str:
        quick = "set_config('synchronous_commit', 'off', true)"
        return f"CASE WHEN {condition} THEN {quick} END"

    def flush(self, cursor: CursorWrapper) -> None:
        # A commit waits for the disk only if its transaction has written to the log.
        cursor.execute("SELECT pg_logical_emit_message(true, 'neural', '')")

    def lock(self, cursor: CursorWrapper, names: Iterable[str]) -> None:
        # In the order of the keys, so that two transactions never wait for each other.
        keys = sorted({_lock_key(name) for name in names})
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])

    def hold(self, cursor: CursorWrapper, unique_key: str) -> None:
        lock = _LOCK_OF_KEY.format("%s")
        cursor.execute(f"SELECT pg_advisory_xact_lock_shared({lock})", [unique_key])

    @contextmanager
    def following_indexes(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        is_within = connection.in_atomic_block
        with transaction.atomic(using=connection.alias, savepoint=False):
            _set_other_plans(connection, "off")
            yield
            if is_within:  # for the rest of a caller's transaction
                _set_other_plans(connection, "on")

    def preparing_cursor(self, connection: BaseDatabaseWrapper) -> CursorWrapper:
        """A cursor that prepares statements if the database's OPTIONS set ``prepare_threshold``.

        Planning is a third of the cost of submitting or claiming one run. Django's own cursor
        writes values into the text, so each statement is a new one to the server.
        """
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        driver: Any = connection.connection
        if getattr(driver, "prepare_threshold", None) is None:
            return connection.cursor()
        from psycopg import Cursor  # not installed in projects that use SQLite alone

        connection.validate_thread_sharing()
        wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
        with connection.wrap_database_errors:
            return wrap(Cursor(driver))  # type: ignore[arg-type]  # what the stubs know

    def writers(self, cursor: CursorWrapper, table: str) -> set[str]:
        # Whoever inserts has this lock from before the first key is drawn until the commit is seen.
        cursor.execute(
            f"""
            SELECT virtualtransaction FROM pg_locks
            WHERE relation = %s::regclass AND mode = 'RowExclusiveLock' AND granted
              AND {_OF_THIS_DATABASE} AND pid IS DISTINCT FROM pg_backend_pid()
            """,
            [table],
        )
        return {each for (each,) in cursor.fetchall()}

    def epoch_seconds(self, column: str) -> str:
        return f"floor(extract(epoch FROM {column}))::bigint"

    def claims_under_way(self, cursor: CursorWrapper) -> set[str]:
        # A claim locks both tables before it takes its snapshot, and keeps the locks to its end.
        cursor.execute(
            f"""
            SELECT mine.virtualtransaction FROM pg_locks AS mine
            JOIN pg_locks AS other USING (database, virtualtransaction)
            WHERE mine.relation = 'neural_queuepause'::regclass
              AND other.relation = 'neural_taskrun'::regclass
              AND other.mode = 'RowExclusiveLock' AND mine.granted AND other.granted
              AND mine.{_OF_THIS_DATABASE} AND mine.pid <> pg_backend_pid()
            """
        )
        return {each for (each,) in cursor.fetchall()}

    def triggers(self, cursor: CursorWrapper, tables: Sequence[str]) -> Sequence[tuple[str, str]]:
        # A name that is no table is looked up as NULL, and finds nothing.
        cursor.execute(
            """
            SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger
            WHERE NOT tgisinternal
              AND tgrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
            """,
            [list(tables)],
        )
        return [
            (
                f"ALTER TABLE {table} DISABLE TRIGGER {name}",
                f"ALTER TABLE {table} ENABLE TRIGGER {name}",
            )
            for table, name in cursor.fetchall()
        ]

    def patience(self, cursor: CursorWrapper) -> str:
        cursor.execute("SELECT current_setting('statement_timeout')")
        return str(cursor.fetchone()[0])

    def set_patience(self, cursor: CursorWrapper, milliseconds: str) -> None:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [milliseconds])

    def transaction_status(self, driver: Any) -> int:
        return int(getattr(driver, "pgconn", driver.info).transaction_status)

    def microseconds(self, connection: BaseDatabaseWrapper) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
            return int(cursor.fetchone()[0])


def _lock_key(name: str) -> int:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _set_other_plans(connection: BaseDatabaseWrapper, state: str) -> None:
    # jit: a plan type that is switched off is not forbidden but gets a high cost, and PostgreSQL
    # compiles plans with a high cost.
    names = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "jit")
    changes = ", ".join(f"set_config('{name}', '{state}', true)" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {changes}")
