"""Inserts new events, their runs, unknown stores and the rows of insert hooks.

This takes one statement on PostgreSQL; on SQLite, three and one more for each hook. Rows are sent
as one JSON text. With an array for each column, psycopg would write value by value, which would
take a quarter of the submitter's processor time.

An insert hook is an app's: its rows need no round trip of their own, and exist exactly if their
event exists.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from django.db import OperationalError, transaction

from neural.events.new_event import Identity, NewEvent
from neural.events.types import compiled_json
from neural.kit.conf import conf
from neural.kit.registry import Registry
from neural.ledger import dialects
from neural.ledger.dialects import despite_contention, is_contention
from neural.runs.models.new_run import NewRun

EVENT_TASK = "neural.tasks.process_neural_event"
Rows = Sequence[Sequence[Any]]
Runs = Mapping[Identity, Sequence[NewRun]]
Inserted = tuple[int | None, bool]
"""An event's primary key (None in a dry run), and whether a person has confirmed its store."""


@dataclass(frozen=True, kw_only=True)
class InsertHook:
    """An ``INSERT INTO … SELECT … FROM new_events`` that is executed with new events.

    ``new_events`` has the columns ``id``, ``store_id``, ``source``, ``event_id`` and ``type``. On
    PostgreSQL the statement becomes part of a ``WITH``; SQLite executes it separately.
    """

    statement: str
    parameters: Callable[[Sequence[NewEvent]], Sequence[Any] | None]
    """Returns the values for the statement's ``%s``, or None if these events get no such rows."""


INSERT_HOOKS: Registry[InsertHook] = Registry("insert hook")


def register_insert_hook(name: str, hook: InsertHook) -> None:
    """Execute this hook with all new events."""
    INSERT_HOOKS.add(name, hook)


def hooked_inserts(new_events: Sequence[NewEvent]) -> list[tuple[str, Sequence[Any]]]:
    """The hooks' statements for these events, each with its parameters."""
    asked = [(hook.statement, hook.parameters(new_events)) for hook in INSERT_HOOKS]
    return [(statement, values) for statement, values in asked if values is not None]


def insert_new(new_events: Sequence[NewEvent], runs: Runs) -> dict[Identity, Inserted]:
    """Insert the events that are not recorded yet, each with its runs, and unknown stores.

    Returns the new events by their identities. After a deadlock the insert is
    repeated at once, unless a caller's transaction was rolled back with it: only the caller can
    repeat that.
    """
    return despite_contention(partial(_insert, new_events, runs), may_repeat=_may_be_repeated)


def _may_be_repeated(error: OperationalError) -> bool:
    retries = dialects.ledger_dialect().retries_contention
    return retries and dialects.ledger_connection().get_autocommit() and is_contention(error)


def _insert(new_events: Sequence[NewEvent], runs: Runs) -> dict[Identity, Inserted]:
    dialect = dialects.ledger_dialect()
    insert = _insert_at_once if dialect.changes_rows_in_with else _insert_in_steps
    return {
        (store, source, name): (pk, bool(confirmed))
        for pk, store, source, name, *_, confirmed in insert(dialect, new_events, runs)
    }


_EVENT_COLUMNS = {
    "store_id": "text",
    "source": "text",
    "event_id": "text",
    "type": "text",
    "payload": "jsonb",
    "content_hash": "text",
    "occurred_at": "timestamptz",
    "unhandled": "boolean",
}
_RUN_COLUMNS = {
    "task_id": "text",
    "handler": "text",
    "queue": "text",
    "priority": "smallint",
    "requested_by": "text",
    "options": "jsonb",
    "parent_task_id": "text",
    "due_at": "timestamptz",
}
_EVENTS_OWN = {"event_pk": "bigint", "store_id": "text"}
_NEW_EVENT = {
    "id": "bigint",
    "store_id": "text",
    "source": "text",
    "event_id": "text",
    "type": "text",
}
STORE_CONFIRMED = "(SELECT confirmed FROM neural_store WHERE code = store_id) AS confirmed"
"""Of a store that the same statement inserts, NULL."""
_RETURNED = f"{', '.join(_NEW_EVENT)}, {STORE_CONFIRMED}"
_RUN_TARGETS = """task_id, handler, queue, priority, requested_by, options, parent_task_id,
    event_id, store_id, available_at, publish_at, task, args, kwargs,
    state, failures, losses, error"""


def _event_row(dialect: dialects.Dialect, new_event: NewEvent) -> tuple[Any, ...]:
    occurred_at = dialect.moment(new_event.occurred_at)
    what = (
        new_event.type,
        new_event.payload,
        new_event.content_hash,
        occurred_at,
        not new_event.handlers,
    )
    return (*new_event.identity, *what)


def _run_row(dialect: dialects.Dialect, run: NewRun, new_event: NewEvent) -> tuple[Any, ...]:
    where = (run.task_id, run.handler, run.queue, run.priority, run.requested_by)
    return (*where, dict(run.options), run.parent_task_id, dialect.moment(new_event.due_at))


def _run_values(dialect: dialects.Dialect, event_key: str, store: str) -> str:
    own = ", ".join(f"run.{name}" for name in _RUN_COLUMNS if name != "due_at")
    due_at = f"COALESCE(run.due_at, {dialect.clock})"
    publish_at = f"COALESCE(run.due_at, {dialect.clock_plus})"
    common = f"{due_at}, {publish_at}, %s, '[]', '{{}}', 'pending', 0, 0, ''"
    return f"{own}, {event_key}, {store}, {common}"


def _new_store() -> tuple[str, str]:
    """Time zone and country for a store that is not known yet."""
    return conf().time_zone, conf().default_country


def _run_parameters(dialect: dialects.Dialect) -> list[Any]:
    return [dialect.seconds(conf().republish_seconds), EVENT_TASK]


def _insert_at_once(dialect: dialects.Dialect, new_events: Sequence[NewEvent], runs: Runs) -> Rows:
    hooks = hooked_inserts(new_events)
    rows = [
        (
            *_event_row(dialect, new_event),
            [_run_row(dialect, run, new_event) for run in runs[new_event.identity]],
        )
        for new_event in new_events
    ]
    statement = _at_once(dialect, tuple(own for own, _ in hooks))
    with dialects.preparing_cursor() as cursor:
        own = [value for _, values in hooks for value in values]
        cursor.execute(statement, [_as_json(rows), *_new_store(), *_run_parameters(dialect), *own])
        return cursor.fetchall()


@cache
def _at_once(dialect: dialects.Dialect, hooks: tuple[str, ...]) -> str:
    """The one statement, with those of these hooks. Stores are sorted, like the events: otherwise
    two submitters could deadlock."""
    columns = ", ".join(_EVENT_COLUMNS)
    statement = "".join(f", hook_{n} AS ({own})" for n, own in enumerate(hooks))
    return f"""
        WITH input AS (
            SELECT {dialect.columns_of_arrays(_EVENT_COLUMNS)}, value->{len(_EVENT_COLUMNS)} AS runs
            FROM {dialect.arrays}
        ), new_stores AS (
            INSERT INTO neural_store (code, time_zone, country)
            SELECT DISTINCT store_id, %s, %s FROM input
            WHERE NOT EXISTS (SELECT 1 FROM neural_store WHERE code = store_id)
            ORDER BY store_id
            ON CONFLICT DO NOTHING
        ), new_events AS (
            INSERT INTO neural_neuralevent ({columns}) SELECT {columns} FROM input
            ON CONFLICT (event_id, store_id, source) DO NOTHING
            RETURNING {_RETURNED}
        ), new_runs AS (
            INSERT INTO neural_taskrun ({_RUN_TARGETS})
            SELECT {_run_values(dialect, "event.id", "event.store_id")}
            FROM new_events AS event JOIN input USING (store_id, source, event_id),
                LATERAL (SELECT {dialect.columns_of_arrays(_RUN_COLUMNS)}
                    FROM {dialect.elements("runs")}) AS run
        ){statement}
        SELECT id, store_id, source, event_id, confirmed FROM new_events
    """


def _as_json(values: Sequence[Any]) -> str:
    return compiled_json().dump_json(values).decode()


def _insert_in_steps(dialect: dialects.Dialect, new_events: Sequence[NewEvent], runs: Runs) -> Rows:
    with transaction.atomic(savepoint=False), dialects.ledger_connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO neural_store (code, time_zone, country) "
            f"SELECT value, %s, %s FROM {dialect.arrays} "
            "WHERE true ON CONFLICT DO NOTHING",
            [*_new_store(), _as_json(sorted({new_event.store for new_event in new_events}))],
        )
        cursor.execute(
            f"""INSERT INTO neural_neuralevent ({", ".join(_EVENT_COLUMNS)})
            SELECT {dialect.columns_of_arrays(_EVENT_COLUMNS)} FROM {dialect.arrays} WHERE true
            ON CONFLICT (event_id, store_id, source) DO NOTHING
            RETURNING {_RETURNED}""",
            [_as_json([_event_row(dialect, new_event) for new_event in new_events])],
        )
        new = cursor.fetchall()
        run_columns = dialect.columns_of_arrays(_RUN_COLUMNS | _EVENTS_OWN)
        by_identity = {new_event.identity: new_event for new_event in new_events}
        rows = [
            (*_run_row(dialect, run, by_identity[store, source, event_id]), pk, store)
            for pk, store, source, event_id, *_ in new
            for run in runs[store, source, event_id]
        ]
        cursor.execute(
            f"""INSERT INTO neural_taskrun ({_RUN_TARGETS})
            SELECT {_run_values(dialect, "run.event_pk", "run.store_id")}
            FROM (SELECT {run_columns} FROM {dialect.arrays}) AS run""",
            [
                *_run_parameters(dialect),
                _as_json(rows),
            ],
        )
        columns = dialect.columns_of_arrays(_NEW_EVENT)
        for statement, values in hooked_inserts(new_events):
            cursor.execute(
                f"WITH new_events AS (SELECT {columns} FROM {dialect.arrays}) {statement}",
                [_as_json(new), *values],
            )
    return new
