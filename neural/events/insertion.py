"""Inserting new events, their runs, and what apps have ride with them (``neural.events.riders``):
one statement on PostgreSQL, three on SQLite and one more for each rider.

Rows travel as one JSON text on both. psycopg would write arrays, one for each column, value
by value: a quarter of the submitter's processor time.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import OperationalError, transaction

from neural.conf import conf
from neural.events.draft import EventDraft, Identity
from neural.events.riders import riding
from neural.ledger import dialects
from neural.ledger.outages import despite_contention, is_contention
from neural.models.new_run import NewRun

EVENT_TASK = "neural.tasks.process_neural_event"

_json = json.JSONEncoder(ensure_ascii=False)

Rows = Sequence[Sequence[Any]]
Runs = Mapping[Identity, Sequence[NewRun]]


def insert_new(drafts: Sequence[EventDraft], runs: Runs) -> dict[Identity, int]:
    """Insert the events that are not recorded yet, each with its runs, and unknown stores.

    Returns the primary keys of the new events. What the database undid for the sake of
    another transaction (a deadlock) is done again at once, unless a caller's transaction
    was undone with it: that is the caller's to repeat.
    """
    return despite_contention(partial(_insert, drafts, runs), may_repeat=_may_be_repeated)


def _may_be_repeated(error: OperationalError) -> bool:
    """Not on SQLite: who finds it locked has waited for its ``timeout`` already."""
    is_its_own = dialects.ledger_connection().get_autocommit()
    return is_its_own and dialects.is_postgresql() and is_contention(error)


def _insert(drafts: Sequence[EventDraft], runs: Runs) -> dict[Identity, int]:
    insert = _insert_postgresql if dialects.is_postgresql() else _insert_sqlite
    return {(store, source, name): pk for pk, store, source, name in insert(drafts, runs)}


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
_RUN_TARGETS = """task_id, handler, queue, priority, requested_by, options, parent_task_id,
    event_id, store_id, available_at, publish_at, task, args, kwargs,
    state, failures, losses, error"""


def _event_row(draft: EventDraft) -> tuple[Any, ...]:
    occurred_at = dialects.moment(draft.occurred_at)
    what = (draft.type, draft.payload, draft.content_hash, occurred_at, not draft.handlers)
    return (*draft.identity, *what)


def _run_row(run: NewRun, draft: EventDraft) -> tuple[Any, ...]:
    where = (run.task_id, run.handler, run.queue, run.priority, run.requested_by)
    return (*where, run.options, run.parent_task_id, dialects.moment(draft.due_at))


def _run_values(event_key: str, store: str) -> str:
    own = ", ".join(f"run.{name}" for name in _RUN_COLUMNS if name != "due_at")
    due_at = f"COALESCE(run.due_at, {dialects.clock()})"
    owed_at = f"COALESCE(run.due_at, {dialects.clock_plus()})"
    common = f"{due_at}, {owed_at}, %s, '[]', '{{}}', 'pending', 0, 0, ''"
    return f"{own}, {event_key}, {store}, {common}"


def _new_store() -> tuple[str, str]:
    """Zone and country of a store that an event names first."""
    return conf().time_zone, conf().default_country


def _run_parameters() -> list[Any]:
    return [dialects.seconds(conf().republish_seconds), EVENT_TASK]


def _insert_postgresql(drafts: Sequence[EventDraft], runs: Runs) -> Rows:
    """Stores in order, like the events: else two submitters could wait in a circle."""
    columns = ", ".join(_EVENT_COLUMNS)
    riders = riding(drafts)
    ride = "".join(f", rider_{n} AS ({own})" for n, (own, _) in enumerate(riders))
    statement = f"""
        WITH input AS (
            SELECT {_taken_from_array(_EVENT_COLUMNS)}, value->{len(_EVENT_COLUMNS)} AS runs
            FROM jsonb_array_elements(%s::jsonb)
        ), new_stores AS (
            INSERT INTO neural_store (code, time_zone, country)
            SELECT DISTINCT store_id, %s, %s FROM input
            WHERE NOT EXISTS (SELECT 1 FROM neural_store WHERE code = store_id)
            ORDER BY store_id
            ON CONFLICT DO NOTHING
        ), new_events AS (
            INSERT INTO neural_neuralevent ({columns}) SELECT {columns} FROM input
            ON CONFLICT (event_id, store_id, source) DO NOTHING
            RETURNING id, store_id, source, event_id
        ), new_runs AS (
            INSERT INTO neural_taskrun ({_RUN_TARGETS})
            SELECT {_run_values("event.id", "event.store_id")}
            FROM new_events AS event JOIN input USING (store_id, source, event_id),
                LATERAL (SELECT {_taken_from_array(_RUN_COLUMNS)}
                    FROM jsonb_array_elements(runs)) AS run
        ){ride}
        SELECT id, store_id, source, event_id FROM new_events
    """
    rows = ",".join(_as_json(draft, runs[draft.identity]) for draft in drafts)
    with dialects.preparing_cursor() as cursor:
        own = [value for _, values in riders for value in values]
        cursor.execute(statement, [f"[{rows}]", *_new_store(), *_run_parameters(), *own])
        return cursor.fetchall()


def _as_json(draft: EventDraft, runs: Sequence[NewRun]) -> str:
    return _json.encode((*_event_row(draft), [_run_row(run, draft) for run in runs]))


def _taken_from_array(columns: Mapping[str, str]) -> str:
    """By place: the names of ``jsonb_to_recordset`` made the statement a tenth slower."""
    parts = (f"(value->>{n})::{kind} AS {name}" for n, (name, kind) in enumerate(columns.items()))
    return ", ".join(parts)


def _insert_sqlite(drafts: Sequence[EventDraft], runs: Runs) -> Rows:
    with transaction.atomic(savepoint=False), dialects.ledger_connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO neural_store (code, time_zone, country) "
            "SELECT value, %s, %s FROM json_each(%s) "
            "WHERE true ON CONFLICT DO NOTHING",
            [*_new_store(), json.dumps(sorted({draft.store for draft in drafts}))],
        )
        cursor.execute(
            f"""INSERT INTO neural_neuralevent ({", ".join(_EVENT_COLUMNS)})
            SELECT {dialects.extracted(_EVENT_COLUMNS)} FROM json_each(%s) WHERE true
            ON CONFLICT (event_id, store_id, source) DO NOTHING
            RETURNING id, store_id, source, event_id""",
            [json.dumps([_event_row(draft) for draft in drafts])],
        )
        new = cursor.fetchall()
        names = (*_RUN_COLUMNS, "event_pk", "store_id")
        cursor.execute(
            f"""INSERT INTO neural_taskrun ({_RUN_TARGETS})
            SELECT {_run_values("run.event_pk", "run.store_id")}
            FROM (SELECT {dialects.extracted(names)} FROM json_each(%s)) AS run""",
            [*_run_parameters(), json.dumps(_runs_with_keys(new, drafts, runs))],
        )
        columns = dialects.extracted(("id", "store_id", "source", "event_id"))
        for ride, values in riding(drafts):
            cursor.execute(
                f"WITH new_events AS (SELECT {columns} FROM json_each(%s)) {ride}",
                [json.dumps(new), *values],
            )
    return new


def _runs_with_keys(new: Rows, drafts: Sequence[EventDraft], runs: Runs) -> Rows:
    by_identity = {draft.identity: draft for draft in drafts}
    return [
        (*_run_row(run, by_identity[store, source, event_id]), pk, store)
        for pk, store, source, event_id in new
        for run in runs[store, source, event_id]
    ]
