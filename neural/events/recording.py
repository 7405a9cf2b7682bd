"""Writing events and their runs: one statement on PostgreSQL, three on SQLite.

An event that is recorded already stays as it is; whether the new one says the same
(a duplicate) or something else (a conflict) is looked up only then.
"""

import json
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import Any

from django.db import transaction

from neural.conf import conf
from neural.events.answers import Problem, Submission, Verdict
from neural.events.draft import EventDraft
from neural.events.registry import atomic_handler_names
from neural.models import NeuralEvent, TaskRun
from neural.runs import sql
from neural.runs.enqueue import new_task_id, rings_for
from neural.runs.publishing import publish_quietly

EVENT_TASK = "neural.tasks.process_neural_event"

Identity = tuple[str, str, str]
Rows = Sequence[Sequence[Any]]


def record(drafts: Sequence[EventDraft]) -> list[Submission]:
    """Record events in the caller's transaction and answer for each, in order."""
    firsts: dict[Identity, EventDraft] = {}
    for draft in drafts:
        firsts.setdefault(draft.identity, draft)
    # Sorted, so that two submitters of the same events never wait for one another in a circle.
    candidates = [firsts[identity] for identity in sorted(firsts)]
    runs = {draft.identity: _runs_of(draft) for draft in candidates}
    new = _insert(candidates, list(chain.from_iterable(runs.values())))
    known = _recorded_before(firsts.keys() - new.keys())
    _publish_on_commit([run for identity in new for run in runs[identity]])
    return [_answer(draft, firsts, new, known) for draft in drafts]


def _answer(
    draft: EventDraft,
    firsts: dict[Identity, EventDraft],
    new: dict[Identity, int],
    known: dict[Identity, NeuralEvent],
) -> Submission:
    first = firsts[draft.identity]
    if draft.identity not in new:
        event = known[draft.identity]
    else:
        event = _event(first, new[draft.identity])
        if draft is first:
            return Submission(verdict=Verdict.NEW, event=event)
    if event.content_hash == draft.content_hash:
        return Submission(verdict=Verdict.DUPLICATE, event=event)
    reason = (
        f"conflict: {draft.event_id!r} of source {draft.source!r} was recorded before with "
        "another content; give a changed event an id of its own"
    )
    return Submission.refused([Problem("event_id", reason)], event=event)


def _event(draft: EventDraft, pk: int) -> NeuralEvent:
    event = NeuralEvent(
        pk=pk,
        store_id=draft.store,
        source=draft.source,
        event_id=draft.event_id,
        type=draft.type,
        payload=json.loads(draft.payload),
        content_hash=draft.content_hash,
        unhandled=not draft.handlers,
        occurred_at=draft.occurred_at,
    )
    event._state.adding = False
    event._state.db = sql.ledger_connection().alias
    return event


def _runs_of(draft: EventDraft) -> list[TaskRun]:
    """The runs of an event, known by their task ids: its own key is not known yet."""
    return [
        TaskRun(
            task_id=new_task_id(),
            task=EVENT_TASK,
            handler=handler,
            store_id=draft.store,
            queue=draft.queue,
            priority=draft.priority,
            requested_by=draft.requested_by,
        )
        for handler in draft.handlers
    ]


def _recorded_before(identities: Collection[Identity]) -> dict[Identity, NeuralEvent]:
    if not identities:
        return {}
    rows: list[Sequence[Any]] = list(identities)
    if sql.is_postgresql():
        wanted = "unnest(%s::text[], %s::text[], %s::text[])"
        parameters: list[Any] = _columns(rows, 3)
    else:
        wanted = f"(SELECT {_extracted(3)} FROM json_each(%s))"
        parameters = [json.dumps(rows)]
    found = NeuralEvent.objects.raw(
        "SELECT * FROM neural_neuralevent "
        f"WHERE (store_id, source, event_id) IN (SELECT * FROM {wanted} AS wanted)",
        parameters,
    )
    return {(event.store_id, event.source, event.event_id): event for event in found}


def _publish_on_commit(runs: Sequence[TaskRun]) -> None:
    rings = rings_for(runs, {EVENT_TASK: atomic_handler_names()})
    if rings:
        transaction.on_commit(lambda: publish_quietly(rings), robust=True)


def _insert(drafts: Sequence[EventDraft], runs: Sequence[TaskRun]) -> dict[Identity, int]:
    """Insert what is new; the keys of the new events by identity."""
    insert: Callable[..., Any] = _insert_postgresql if sql.is_postgresql() else _insert_sqlite
    events = [_event_row(draft) for draft in drafts]
    by_identity = {}
    numbers = iter(runs)
    for draft in drafts:
        by_identity[draft.identity] = [_run_row(next(numbers)) for _ in draft.handlers]
    rows = insert(events, by_identity)
    return {(store, source, event_id): pk for pk, store, source, event_id in rows}


def _event_row(draft: EventDraft) -> tuple[Any, ...]:
    return (
        draft.store,
        draft.source,
        draft.event_id,
        draft.type,
        draft.payload,
        draft.content_hash,
        sql.moment(draft.occurred_at),
        not draft.handlers,
    )


def _run_row(run: TaskRun) -> tuple[Any, ...]:
    return (run.task_id, run.handler, run.queue, run.priority, run.requested_by)


_RUN_COLUMNS = """task_id, handler, queue, priority, requested_by, event_id, store_id,
    task, args, kwargs, state, failures, losses, error, publish_at"""


def _run_constants() -> str:
    return f"%s, '[]', '{{}}', 'pending', 0, 0, '', {sql.clock_plus()}"


def _run_constant_parameters() -> list[Any]:
    return [EVENT_TASK, sql.seconds(conf().republish_seconds)]


def _insert_postgresql(events: Rows, runs: dict[Identity, Rows]) -> Rows:
    statement = f"""
        WITH input AS (
            SELECT * FROM unnest(
                %s::text[], %s::text[], %s::text[], %s::text[],
                %s::text[], %s::text[], %s::timestamptz[], %s::boolean[]
            ) AS i(store, source, event_id, type, payload, content_hash, occurred_at, unhandled)
        ), new_stores AS (
            INSERT INTO neural_store (code, time_zone)
            SELECT DISTINCT store, %s FROM input
            WHERE NOT EXISTS (SELECT 1 FROM neural_store WHERE code = store)
            ON CONFLICT DO NOTHING
        ), new_events AS (
            INSERT INTO neural_neuralevent
                (store_id, source, event_id, type, payload, content_hash, occurred_at, unhandled)
            SELECT store, source, event_id, type, payload::jsonb, content_hash, occurred_at,
                   unhandled
            FROM input
            ON CONFLICT (event_id, store_id, source) DO NOTHING
            RETURNING id, store_id, source, event_id
        ), new_runs AS (
            INSERT INTO neural_taskrun ({_RUN_COLUMNS})
            SELECT r.task_id, r.handler, r.queue, r.priority, r.requested_by, e.id, e.store_id,
                   {_run_constants()}
            FROM unnest(
                %s::text[], %s::text[], %s::text[],
                %s::text[], %s::text[], %s::text[], %s::smallint[], %s::text[]
            ) AS r(store, source, event_id, task_id, handler, queue, priority, requested_by)
            JOIN new_events e
              ON e.event_id = r.event_id AND e.store_id = r.store AND e.source = r.source
        )
        SELECT id, store_id, source, event_id FROM new_events
    """
    run_rows = [(*identity, *row) for identity, rows in runs.items() for row in rows]
    parameters = [
        *_columns(events, 8),
        conf().default_time_zone,
        *_run_constant_parameters(),
        *_columns(run_rows, 8),
    ]
    with sql.ledger_connection().cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def _columns(rows: Rows, width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _insert_sqlite(events: Rows, runs: dict[Identity, Rows]) -> Rows:
    with transaction.atomic(savepoint=False), sql.ledger_connection().cursor() as cursor:
        codes = sorted({row[0] for row in events})
        cursor.execute(
            "INSERT INTO neural_store (code, time_zone) SELECT value, %s FROM json_each(%s) "
            "WHERE true ON CONFLICT DO NOTHING",
            [conf().default_time_zone, json.dumps(codes)],
        )
        cursor.execute(
            f"""INSERT INTO neural_neuralevent
                (store_id, source, event_id, type, payload, content_hash, occurred_at, unhandled)
            SELECT {_extracted(8)} FROM json_each(%s) WHERE true
            ON CONFLICT (event_id, store_id, source) DO NOTHING
            RETURNING id, store_id, source, event_id""",
            [json.dumps(events)],
        )
        new = cursor.fetchall()
        run_rows = [
            (*row, pk, store)
            for pk, store, source, event_id in new
            for row in runs[store, source, event_id]
        ]
        cursor.execute(
            f"INSERT INTO neural_taskrun ({_RUN_COLUMNS}) "
            f"SELECT {_extracted(7)}, {_run_constants()} FROM json_each(%s)",
            [*_run_constant_parameters(), json.dumps(run_rows)],
        )
    return new


def _extracted(width: int) -> str:
    return ", ".join(f"json_extract(value, '$[{place}]')" for place in range(width))
