"""The only entry point for stores' answers.

An answer is checked before it is stored. An unusable answer is recorded as rejected, with the
reason, and its store is not asked again in this round. Each answer is accepted once: by a
compare-and-set on the store's row, which also requires that the round is still in that exchange.
"""

import datetime as dt
import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, QuerySet

from neural.forecasting.core.protocol import AnswerRefused, Json, check_stores
from neural.forecasting.models import GroupSum, StoreUpdate, TrainingRound, UpdateState
from neural.forecasting.models.round import ASKING_STATES, log_store
from neural.forecasting.models.store_update import TAKING_PART
from neural.forecasting.rounds.exchange import Exchange
from neural.kit.exact_json import JsonText, exact_json
from neural.ledger import dialects

MOST_BYTES = 16 * 1024 * 1024
"""A larger answer is refused unread: it would fill the database."""
MOST_CLAIMED = 10**9
"""No store has this many examples. A claim between the plan's greatest count and this is capped."""
DETAIL_LENGTH = 200


# Hand-written SQL: a statement for each store would cost more than most answers do


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


# Answers


def receive_all(
    asked: Exchange, answers: Mapping[str, tuple[Json, float]], *, now: dt.datetime
) -> int:
    """Check and record the separate answers of several stores (answer and seconds by store), in
    the caller's transaction; returns how many were rejected. An answer that is late, or already
    recorded, changes nothing."""
    given, rejected = [], 0
    for store, (answer, seconds) in answers.items():
        try:
            given.append(_given(asked, store, answer, check(asked, answer), seconds))
        except AnswerRefused as refused:
            rejected += _reject(asked, store, refused, seconds=seconds)
    if given:
        record(given, round_id=asked.round_id, exchange=asked.number, now=now)
    return rejected


def receive_sum(asked: Exchange, stores: Sequence[str], answer: Json, *, seconds: float) -> None:
    """Check and record the joint answer of several stores, or raise :class:`AnswerRefused`.

    This is one statement. A store that is in two sums is sorted out when sums are gathered.
    """
    text = check(asked, answer, stores=len(stores))
    row = GroupSum(
        round_id=asked.round_id,
        exchange=asked.number,
        first_store=stores[0],
        store_count=len(stores),
        stores=list(stores),
        payload=text,
        bytes_sent=len(text.encode()),
        seconds=seconds,
    )
    GroupSum.objects.bulk_create([row], ignore_conflicts=True)


def uncovered(asked: Exchange, stores: Sequence[str]) -> list[str]:
    """The stores among these that take part and are not in a sum of this exchange yet.

    A sum with a store that was left out later is not used, so its other stores answer again.
    """
    part = StoreUpdate.objects.taking_part().filter(round=asked.round_id)
    taking_part = set(part.values_list("store_id", flat=True))
    sums = GroupSum.objects.filter(round=asked.round_id, exchange=asked.number)
    used = [
        names for names in sums.values_list("stores", flat=True) if taking_part.issuperset(names)
    ]
    return sorted(taking_part.intersection(stores).difference(*used))


def leave_out(
    asked: Exchange,
    store: str,
    state: UpdateState,
    reason: str,
    detail: str = "",
    *,
    seconds: float = 0.0,
) -> bool:
    """Record that a store's part cannot be used, in the caller's transaction. Returns False if
    the store's answer was no longer expected."""
    _lock_round(asked)
    rows = still_missing(asked, [store]).update(
        state=state,
        reason=reason[:50],
        detail=detail[:DETAIL_LENGTH],
        seconds=F("seconds") + seconds,
    )
    if rows:
        theirs = TrainingRound.objects.filter(pk=asked.round_id, exchange=asked.number)
        theirs.update(taking_part=F("taking_part") - 1)
        log_on_commit(asked, store, state, reason)
    return bool(rows)


def _lock_round(asked: Exchange) -> None:
    """Lock the round before its stores, in the same order as a coordinator, to avoid deadlocks."""
    theirs = TrainingRound.objects.select_for_update(no_key=True).filter(pk=asked.round_id)
    list(theirs.values_list("pk", flat=True))


def log_on_commit(asked: Exchange, store: str, state: UpdateState, reason: str) -> None:
    """Log, once the transaction commits, that a store's part was not used."""
    log_change = partial(
        log_store,
        state.value,
        round_id=asked.round_id,
        store=store,
        level=logging.WARNING,
        exchange=asked.number,
        reason=reason,
    )
    transaction.on_commit(log_change, robust=True)


def still_missing(asked: Exchange, stores: Sequence[str]) -> "QuerySet[StoreUpdate]":
    """The stores among these whose answer is still expected; none if the round has moved on."""
    return StoreUpdate.objects.missing(asked.number).filter(
        round=asked.round_id,
        store__in=stores,
        round__state__in=ASKING_STATES,
        round__exchange=asked.number,
    )


def check(asked: Exchange, answer: Json, *, stores: int = 1) -> JsonText:
    """Check the answer of this many stores, and return it as JSON text. Raises
    :class:`AnswerRefused` if it cannot be used."""
    text = _text(answer)
    check_stores(answer, asked=stores)
    claimed = answer.get("examples")
    if isinstance(claimed, int | float) and not 0 <= claimed <= MOST_CLAIMED:
        raise AnswerRefused("too_many_examples")
    try:
        asked.kind.program.check(asked.config, asked.server_state, asked.question, answer)
    except AnswerRefused:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        # An answer that makes the check itself fail has a wrong form.
        raise AnswerRefused("wrong_shape", type(error).__name__) from error
    return text


def _text(answer: Any) -> JsonText:
    if not isinstance(answer, dict):
        raise AnswerRefused("wrong_type", type(answer).__name__)
    try:
        text = exact_json(answer)
        size = len(text.encode())
    except ValueError as error:
        raise AnswerRefused("not_finite") from error
    except (TypeError, RecursionError, OverflowError) as error:
        raise AnswerRefused("not_json", type(error).__name__) from error
    if size > MOST_BYTES:
        raise AnswerRefused("too_large", f"{size} bytes")
    return text


def _given(asked: Exchange, store: str, answer: Json, text: JsonText, seconds: float) -> Given:
    """The row to record for an answer. The example count of a judging answer is not kept: it would
    replace the number of examples that the store trained on."""
    examples = None if asked.question.judges else answer.get("examples")
    norm = answer.get("update_norm")
    figures = answer.get("figures") if asked.question.judges else None
    return Given(
        store=store,
        payload=text,
        bytes_sent=len(text.encode()),
        seconds=seconds,
        examples=(
            int(min(examples, asked.config.max_examples))
            if isinstance(examples, int | float)
            else None
        ),
        update_norm=float(norm) if isinstance(norm, int | float) else None,
        figures=exact_json(figures) if isinstance(figures, dict) else None,
    )


def _reject(asked: Exchange, store: str, refused: AnswerRefused, *, seconds: float) -> bool:
    state, reason, detail = UpdateState.REJECTED, refused.reason, refused.detail
    with transaction.atomic(savepoint=False):
        return leave_out(asked, store, state, reason, detail, seconds=seconds)
