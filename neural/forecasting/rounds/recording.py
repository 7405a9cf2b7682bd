"""Hand-written SQL: records the answers of a run's stores, and counts a round's answers.

A statement for each store would cost more than most answers do, and there are hundreds of them.
"""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from neural.forecasting.models import GroupSum, StoreUpdate, TrainingRound, UpdateState
from neural.forecasting.models.round import ASKING_STATES
from neural.forecasting.models.store_update import TAKING_PART
from neural.ledger import dialects


class Given(NamedTuple):
    """One store's checked answer, and the figures that are kept after it has been used."""

    store: str
    payload: str
    """JSON text."""
    bytes_sent: int
    seconds: float
    examples: int | None = None
    update_norm: float | None = None
    figures: str | None = None
    """JSON text."""


def record(given: Sequence[Given], *, round_id: int, exchange: int, now: dt.datetime) -> None:
    """Record answers of stores that still owe one, if the round is in this exchange. Recording an
    answer again changes nothing."""
    dialect = dialects.ledger_dialect()
    rows = json.dumps([each._asdict() for each in given])
    parameters: list[Any] = [UpdateState.ACCEPTED.value, exchange, dialect.moment(now), rows]
    parameters += [round_id, exchange, *map(str, TAKING_PART)]
    parameters += [round_id, exchange, *map(str, ASKING_STATES)]
    with dialects.preparing_cursor() as cursor:
        cursor.execute(_statement(dialect), parameters)


_COLUMNS = {
    "store": "text",
    "payload": "text",
    "bytes_sent": "bigint",
    "seconds": "double precision",
    "examples": "bigint",
    "update_norm": "double precision",
    "figures": "text",
}


def _statement(dialect: dialects.Dialect) -> str:
    states = ", ".join(["%s"] * len(TAKING_PART))
    asking = ", ".join(["%s"] * len(ASKING_STATES))
    return f"""
        UPDATE {StoreUpdate._meta.db_table} AS kept SET
            state = %s, exchange = %s, answered_at = {dialect.bound_moment},
            payload = given.payload,
            bytes_sent = kept.bytes_sent + given.bytes_sent,
            seconds = kept.seconds + given.seconds,
            examples = COALESCE(given.examples, kept.examples),
            update_norm = COALESCE(given.update_norm, kept.update_norm),
            figures = COALESCE(given.figures, kept.figures)
        FROM {dialect.records(_COLUMNS, "given")}
        WHERE kept.round_id = %s AND kept.store_id = given.store
          AND kept.exchange < %s AND kept.state IN ({states})
          AND EXISTS (
            SELECT 1 FROM {TrainingRound._meta.db_table} AS asking
            WHERE asking.id = %s AND asking.exchange = %s AND asking.state IN ({asking})
          )
    """


class Counts(NamedTuple):
    """The number of stores that have answered (singly or in sums), and that take part."""

    answered: int
    taking_part: int


def count_answers(*, round_id: int, exchange: int) -> Counts | None:
    """The number of answers; None if the round has left this exchange. A store that is in two sums
    counts twice."""
    states = [str(each) for each in TAKING_PART]
    parameters: list[Any] = [*states, exchange, exchange, round_id, exchange]
    with dialects.preparing_cursor() as cursor:
        cursor.execute(_count_statement(), parameters)
        row = cursor.fetchone()
    return None if row is None else Counts(int(row[0] + row[1]), int(row[2]))


def _count_statement() -> str:
    states = ", ".join(["%s"] * len(TAKING_PART))
    return f"""
        SELECT
            (SELECT COUNT(*) FROM {StoreUpdate._meta.db_table} AS part
             WHERE part.round_id = asking.id AND part.state IN ({states})
               AND part.exchange >= %s),
            (SELECT COALESCE(SUM(store_count), 0) FROM {GroupSum._meta.db_table} AS sums
             WHERE sums.round_id = asking.id AND sums.exchange = %s),
            asking.taking_part
        FROM {TrainingRound._meta.db_table} AS asking
        WHERE asking.id = %s AND asking.exchange = %s
    """
