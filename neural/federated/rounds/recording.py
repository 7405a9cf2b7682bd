"""Writing down the answers of many stores in one statement.

A run's stores hand in together: a statement each would cost more than most answers.
"""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from neural.models import StoreUpdate, TrainingRound, UpdateState
from neural.models.round import ASKING_STATES
from neural.models.store_update import TAKING_PART
from neural.runs import sql


class Given(NamedTuple):
    """One store's answer, checked, and the figures that stay of it."""

    store: str
    payload: str
    """JSON text."""
    bytes_sent: int
    seconds: float
    examples: int | None = None
    update_norm: float | None = None
    figures: str | None = None
    """JSON text."""


def record(given: Sequence[Given], *, round_id: int, exchange: int, now: dt.datetime) -> int:
    """Keep answers of stores from which one is expected, while the round is in this exchange;
    returns how many. Each is kept once, however often it is recorded."""
    rows = json.dumps([each._asdict() for each in given])
    parameters: list[Any] = [UpdateState.ACCEPTED.value, exchange, sql.moment(now), rows]
    parameters += [round_id, exchange, *map(str, TAKING_PART)]
    parameters += [round_id, exchange, *map(str, ASKING_STATES)]
    with sql.preparing_cursor() as cursor:
        cursor.execute(_statement(), parameters)
        return int(cursor.rowcount)


_COLUMNS = {
    "store": "text",
    "payload": "text",
    "bytes_sent": "bigint",
    "seconds": "double precision",
    "examples": "bigint",
    "update_norm": "double precision",
    "figures": "text",
}


def _statement() -> str:
    states = ", ".join(["%s"] * len(TAKING_PART))
    asking = ", ".join(["%s"] * len(ASKING_STATES))
    moment = "%s::timestamptz" if sql.is_postgresql() else "%s"
    return f"""
        UPDATE {StoreUpdate._meta.db_table} AS kept SET
            state = %s, exchange = %s, answered_at = {moment},
            payload = given.payload,
            bytes_sent = kept.bytes_sent + given.bytes_sent,
            seconds = kept.seconds + given.seconds,
            examples = COALESCE(given.examples, kept.examples),
            update_norm = COALESCE(given.update_norm, kept.update_norm),
            figures = COALESCE(given.figures, kept.figures)
        FROM {_rows()}
        WHERE kept.round_id = %s AND kept.store_id = given.store
          AND kept.exchange < %s AND kept.state IN ({states})
          AND EXISTS (
            SELECT 1 FROM {TrainingRound._meta.db_table} AS asking
            WHERE asking.id = %s AND asking.exchange = %s AND asking.state IN ({asking})
          )
    """


def _rows() -> str:
    if sql.is_postgresql():
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        return f"jsonb_to_recordset(%s::jsonb) AS given({columns})"
    columns = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in _COLUMNS)
    return f"(SELECT {columns} FROM json_each(%s)) AS given"
