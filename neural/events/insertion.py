"""Inserting new events and their runs: one statement on PostgreSQL, three on SQLite."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from neural.conf import conf
from neural.events.draft import EventDraft, Identity
from neural.models import TaskRun
from neural.runs import sql

EVENT_TASK = "neural.tasks.process_neural_event"

Rows = Sequence[Sequence[Any]]


def insert_new(
    drafts: Sequence[EventDraft], runs: Mapping[Identity, Sequence[TaskRun]]
) -> dict[Identity, int]:
    """Insert the events that are not recorded yet, each with its runs, and unknown stores.

    Returns the primary keys of the new events.
    """
    events = [_event_row(draft) for draft in drafts]
    run_rows = {
        draft.identity: [_run_row(run, draft) for run in runs[draft.identity]] for draft in drafts
    }
    insert = _insert_postgresql if sql.is_postgresql() else _insert_sqlite
    new = insert(events, run_rows)
    return {(store, source, event_id): pk for pk, store, source, event_id in new}


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
_COMMON_COLUMNS = """event_id, store_id, available_at, publish_at, task, args, kwargs,
    state, failures, losses, error"""


def _event_row(draft: EventDraft) -> tuple[Any, ...]:
    occurred_at = sql.moment(draft.occurred_at)
    what = (draft.type, draft.payload, draft.content_hash, occurred_at, not draft.handlers)
    return (*draft.identity, *what)


def _run_row(run: TaskRun, draft: EventDraft) -> tuple[Any, ...]:
    where = (run.task_id, run.handler, run.queue, run.priority, run.requested_by)
    asked = (json.dumps(run.options), run.parent_task_id)
    return (*where, *asked, sql.moment(draft.due_at))


def _common_values() -> str:
    due_at = f"COALESCE(run.due_at, {sql.clock()})"
    owed_at = f"COALESCE(run.due_at, {sql.clock_plus()})"
    return f"{due_at}, {owed_at}, %s, '[]', '{{}}', 'pending', 0, 0, ''"


def _common_parameters() -> list[Any]:
    return [sql.seconds(conf().republish_seconds), EVENT_TASK]


def _run_targets() -> str:
    return ", ".join(name for name in _RUN_COLUMNS if name != "due_at") + f", {_COMMON_COLUMNS}"


def _run_values(event: str) -> str:
    own = ", ".join(f"run.{name}" for name in _RUN_COLUMNS if name != "due_at")
    return f"{own}, {event}, {_common_values()}"


def _insert_postgresql(events: Rows, runs: Mapping[Identity, Rows]) -> Rows:
    columns = ", ".join(_EVENT_COLUMNS)
    identity = {"store_id": "text", "source": "text", "event_id": "text"}
    statement = f"""
        WITH input AS (SELECT * FROM {sql.unnested(_EVENT_COLUMNS)} AS event({columns})),
        new_stores AS (
            INSERT INTO neural_store (code, time_zone)
            SELECT DISTINCT store_id, %s FROM input
            WHERE NOT EXISTS (SELECT 1 FROM neural_store WHERE code = store_id)
            ON CONFLICT DO NOTHING
        ), new_events AS (
            INSERT INTO neural_neuralevent ({columns}) SELECT {columns} FROM input
            ON CONFLICT (event_id, store_id, source) DO NOTHING
            RETURNING id, store_id, source, event_id
        ), new_runs AS (
            INSERT INTO neural_taskrun ({_run_targets()})
            SELECT {_run_values("event.id, event.store_id")}
            FROM {sql.unnested(identity | _RUN_COLUMNS)}
                AS run({", ".join(identity | _RUN_COLUMNS)})
            JOIN new_events AS event USING (store_id, source, event_id)
        )
        SELECT id, store_id, source, event_id FROM new_events
    """
    run_rows = [(*identity, *row) for identity, rows in runs.items() for row in rows]
    parameters = [
        *sql.columns(events, width=len(_EVENT_COLUMNS)),
        conf().default_time_zone,
        *_common_parameters(),
        *sql.columns(run_rows, width=len(identity | _RUN_COLUMNS)),
    ]
    with sql.ledger_connection().cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def _insert_sqlite(events: Rows, runs: Mapping[Identity, Rows]) -> Rows:
    with transaction.atomic(savepoint=False), sql.ledger_connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO neural_store (code, time_zone) SELECT value, %s FROM json_each(%s) "
            "WHERE true ON CONFLICT DO NOTHING",
            [conf().default_time_zone, json.dumps(sorted({row[0] for row in events}))],
        )
        cursor.execute(
            f"""INSERT INTO neural_neuralevent ({", ".join(_EVENT_COLUMNS)})
            SELECT {sql.extracted(_EVENT_COLUMNS)} FROM json_each(%s) WHERE true
            ON CONFLICT (event_id, store_id, source) DO NOTHING
            RETURNING id, store_id, source, event_id""",
            [json.dumps(events)],
        )
        new = cursor.fetchall()
        names = (*_RUN_COLUMNS, "event_pk", "store_id")
        cursor.execute(
            f"""INSERT INTO neural_taskrun ({_run_targets()})
            SELECT {_run_values("run.event_pk, run.store_id")}
            FROM (SELECT {sql.extracted(names)} FROM json_each(%s)) AS run""",
            [*_common_parameters(), json.dumps(_with_keys(new, runs))],
        )
    return new


def _with_keys(new: Rows, runs: Mapping[Identity, Rows]) -> Rows:
    return [
        (*row, pk, store)
        for pk, store, source, event_id in new
        for row in runs[store, source, event_id]
    ]
