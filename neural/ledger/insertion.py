"""Inserts new runs of tasks: many by one statement, which the server has planned before.

(Runs of events are inserted with their events, by ``neural.events.insertion``.) Rows are sent as
one JSON text, as there.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from django.db.models import DEFERRED

from neural.kit.conf import conf
from neural.ledger import dialects
from neural.ledger.clock import as_moment
from neural.models import RunState, TaskRun
from neural.runs.models.new_run import NewRun

CHUNK = 1000
"""How many runs one statement inserts at most."""
_json = json.JSONEncoder(ensure_ascii=False, default=dict)  # any kind of mapping
_KEPT = {  # in the order of NewRun
    "task_id": "text",
    "task": "text",
    "handler": "text",
    "queue": "text",
    "priority": "smallint",
    "requested_by": "text",
    "options": "jsonb",
    "parent_task_id": "text",
    "args": "jsonb",
    "kwargs": "jsonb",
    "event_id": "bigint",
    "store_id": "text",
    "unique_key": "text",
    "batch_id": "bigint",
}
_COLUMNS = {**_KEPT, "due_at": "timestamptz", "due_in": "double precision"}
_FIELDS = tuple(field.attname for field in TaskRun._meta.concrete_fields)
_FRESH = {"state": RunState.PENDING, "failures": 0, "losses": 0, "error": ""}


class Inserted(NamedTuple):
    """What the database returned of an inserted run."""

    task_id: str
    pk: int
    created_at: Any


def insert(runs: Sequence[NewRun]) -> Mapping[str, Inserted]:
    """Insert runs in the caller's transaction, or each chunk in one of its own; returns what was
    inserted by task ids.

    A run is left out if its task id is taken, or if a run with its unique key waits, even among
    these runs: the first of them counts.
    """
    found: dict[str, Inserted] = {}
    dialect, republish = dialects.ledger_dialect(), conf().republish_seconds
    for start in range(0, len(runs), CHUNK):
        rows = _json.encode([_row(dialect, run) for run in runs[start : start + CHUNK]])
        with dialect.writing(dialects.ledger_connection()), dialects.preparing_cursor() as cursor:
            cursor.execute(_statement(dialect), [dialect.seconds(republish), rows])
            found |= {row[0]: Inserted(*row) for row in cursor.fetchall()}
    return found


@cache
def _statement(dialect: dialects.Dialect) -> str:
    due_in = dialect.clock_plus.replace("%s", "run.due_in")
    due_at = f"COALESCE(run.due_at, {due_in}"
    return f"""
        INSERT INTO neural_taskrun ({", ".join(_KEPT)}, available_at, publish_at,
            state, failures, losses, error)
        SELECT {", ".join(f"run.{name}" for name in _KEPT)},
            {due_at}, {dialect.clock}), {due_at}, {dialect.clock_plus}),
            'pending', 0, 0, ''
        FROM (SELECT {dialect.columns_of_arrays(_COLUMNS)} FROM {dialect.arrays}) AS run
        WHERE true
        ON CONFLICT DO NOTHING
        RETURNING task_id, id, created_at
    """


def _row(dialect: dialects.Dialect, run: NewRun) -> Sequence[Any]:
    kept = run[: len(_KEPT)]
    if isinstance(run.due_at, dt.timedelta):
        return (*kept, None, dialect.seconds(run.due_at.total_seconds()))
    return (*kept, dialect.moment(run.due_at), None)


def row_of(run: NewRun, inserted: Inserted) -> TaskRun:
    """The row of an inserted run. When it is due is read on access."""
    known: dict[str, Any] = {**dict.fromkeys(_FIELDS), **run._asdict(), **_FRESH}
    known |= {"id": inserted.pk, "created_at": as_moment(inserted.created_at)}
    known |= {"args": list(run.args), "kwargs": dict(run.kwargs), "options": dict(run.options)}
    known |= {"available_at": DEFERRED, "publish_at": DEFERRED}
    alias = dialects.ledger_connection().alias
    return TaskRun.from_db(alias, _FIELDS, [known[name] for name in _FIELDS])
