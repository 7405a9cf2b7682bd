"""The work of an answering run: some stores answer one question, each from its own rows alone.

A store whose part raises does not harm the others. It is recorded as failed, with the class of the
error and never the message, which could contain rows. When a run is retried, each of its stores
gets a run of its own, so that a store that hangs or kills its process is found.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, transaction

from neural.forecasting.conf import conf
from neural.forecasting.core.protocol import AnswerRefused, Json, NotEnoughHistory
from neural.forecasting.models import TrainingRound, UpdateState
from neural.forecasting.rounds.advancing import advance, since
from neural.forecasting.rounds.asking import ask_singly, ask_the_rest
from neural.forecasting.rounds.exchange import (
    Exchange,
    ExchangeOver,
    StoreData,
    exchange_of,
    light_round,
    store_cache,
)
from neural.forecasting.rounds.gathering import all_are_in
from neural.forecasting.rounds.receiving import (
    leave_out,
    receive_all,
    receive_sum,
    still_missing,
    uncovered,
)
from neural.forecasting.sales import sales_of
from neural.ledger.execute import drop_broken_connection
from neural.ledger.work import current_run
from neural.models import Store
from neural.runs.slices import SLICE_SECONDS, in_time


class AnswerRefusal(NamedTuple):
    """The state and reason with which a store's unusable part is recorded."""

    state: UpdateState
    reason: str
    detail: str = ""


@dataclass
class Parts:
    """The results of a run's stores, which are recorded together."""

    answers: dict[str, tuple[Json, float]] = field(default_factory=dict)
    """By store: its answer, and the seconds it took."""
    sums: list[tuple[Sequence[str], Json, float]] = field(default_factory=list)
    refusals: dict[str, AnswerRefusal] = field(default_factory=dict)
    rest: Sequence[str] = ()
    """Stores that the run had no time for."""


def answer_exchange(
    *, round_id: int, exchange: int, stores: Sequence[str], now: dt.datetime
) -> dict[str, Any]:
    """Let these stores answer the exchange's question; returns counts.

    ``{"late": True}`` means that the round has left this exchange. If these answers were the last
    ones missing, the round is advanced."""
    began = time.monotonic()
    training = light_round(round_id)
    if not training.is_open or training.exchange != exchange:
        return {"late": True}
    counts: dict[str, Any] = {}
    if training.asks:
        try:
            asked = exchange_of(training)
            counts = _answer(asked, stores, now)
        except ExchangeOver:
            return {"late": True}
    _move_on(training, since(now, began), is_news=bool(counts.get("refused")))
    return counts


def _answer(asked: Exchange, stores: Sequence[str], now: dt.datetime) -> dict[str, Any]:
    mine = _mine(asked, stores)
    if not mine:
        return {"answered": 0}
    if len(mine) > 1 and _was_tried():
        ask_singly(asked.round_id, asked.number, mine)
        return {"taken_apart": len(mine)}
    parts = (_jointly if asked.adds_up else _one_by_one)(asked, mine)
    refused = _hand_in(asked, parts, now)
    answered = len(mine) - len(parts.rest) - refused
    rest = {"rest": len(parts.rest)} if parts.rest else {}
    return {"answered": answered, **({"refused": refused} if refused else {}), **rest}


def _mine(asked: Exchange, stores: Sequence[str]) -> list[str]:
    """The run's stores whose answer is still expected."""
    if asked.adds_up:
        # A new run was enqueued together with the question, so all of its stores are expected.
        return uncovered(asked, stores) if _was_tried() or len(stores) == 1 else sorted(stores)
    return sorted(still_missing(asked, stores).values_list("store_id", flat=True))


def _move_on(training: TrainingRound, now: dt.datetime, *, is_news: bool) -> None:
    """Advance the round if this run's answers were the last ones missing. Doing so in the same run
    saves a message and its delay."""
    if is_news or all_are_in(training):
        advance(round_id=training.pk, now=now, take_over=_was_tried())


def _was_tried() -> bool:
    run = current_run()
    return run is not None and bool(run.failures or run.losses)


# Stores one by one


def _one_by_one(asked: Exchange, stores: Sequence[str]) -> Parts:
    parts = Parts()
    _each(parts, stores, partial(_one, asked, parts))
    return parts


def _each(parts: Parts, stores: Sequence[str], work: Callable[[str], object]) -> None:
    """Do the parts of one store after another, as long as there is time. The rest is left to
    another run."""
    for place, store in in_time(enumerate(stores, 1), seconds=SLICE_SECONDS):
        parts.rest = stores[place:]
        if not _isolated(parts, store, partial(work, store)):
            return


def _one(asked: Exchange, parts: Parts, store: str) -> None:
    started = time.perf_counter()
    data = _data_of(asked, store)
    answer = asked.kind.answer(
        asked.config, asked.server_state, asked.question, data.sales, data.memory
    )
    _cache(asked, store, data)
    parts.answers[store] = (answer, time.perf_counter() - started)


def _isolated(parts: Parts, store: str, work: Callable[[], object]) -> bool:
    """Do a store's part, and record the reason if it fails. Returns False if the time is up."""
    try:
        work()
    except SoftTimeLimitExceeded as error:
        drop_broken_connection(error)
        parts.refusals[store] = AnswerRefusal(UpdateState.FAILED, "too_slow")
        return False
    except (DatabaseError, InterfaceError):
        raise  # not the store's fault: the run is retried
    except NotEnoughHistory:
        parts.refusals[store] = AnswerRefusal(UpdateState.FAILED, "no_history")
    except AnswerRefused as refused:
        parts.refusals[store] = AnswerRefusal(UpdateState.REJECTED, refused.reason, refused.detail)
    except Exception as error:  # noqa: BLE001 (a store's rows may break the arithmetic in any way)
        parts.refusals[store] = AnswerRefusal(UpdateState.FAILED, "error", type(error).__name__)
    return True


def _data_of(asked: Exchange, store: str) -> StoreData:
    data = store_cache.take((asked.round_id, asked.opened_at, store))
    if data is not None:
        return data
    row = Store.objects.get(pk=store)
    sales = sales_of(
        row,
        today=_today(asked, row),
        history_days=asked.config.history_days,
        most_dishes=asked.dishes,
    )
    return StoreData(sales)


def _today(asked: Exchange, store: Store) -> dt.date:
    if asked.config.as_of:
        return dt.date.fromisoformat(asked.config.as_of)
    return store.business_day(asked.opened_at)


def _cache(asked: Exchange, store: str, data: StoreData) -> None:
    key = (asked.round_id, asked.opened_at, store)
    store_cache.put(key, data, limit=conf().training_memory_bytes)


# Stores together


def _jointly(asked: Exchange, stores: Sequence[str]) -> Parts:
    parts = Parts()
    held: dict[str, StoreData] = {}

    def load(store: str) -> None:
        held[store] = _data_of(asked, store)

    _each(parts, stores, load)
    if held:
        _add_up(asked, parts, held)
    return parts


def _add_up(asked: Exchange, parts: Parts, held: dict[str, StoreData]) -> None:
    """Add up these stores; if that fails, do each of them alone."""
    trial, first = Parts(), next(iter(held))
    works = len(held) > 1 and _isolated(trial, first, partial(_sum, asked, trial, held))
    if works and (trial.sums or first not in trial.refusals):
        parts.sums += trial.sums
        parts.refusals |= trial.refusals
        return
    for store, data in held.items():
        _isolated(parts, store, partial(_sum, asked, parts, {store: data}))


def _sum(asked: Exchange, parts: Parts, held: dict[str, StoreData]) -> None:
    started = time.perf_counter()
    assert asked.kind.answer_together is not None
    given = {store: (data.sales, data.memory) for store, data in held.items()}
    answer, refused = asked.kind.answer_together(
        asked.config, asked.server_state, asked.question, given
    )
    for store, data in held.items():
        _cache(asked, store, data)
    for store, why in refused.items():
        reason, _, detail = why.partition(": ")
        parts.refusals[store] = AnswerRefusal(UpdateState.LEFT_OUT, reason, detail)
    if stores := [store for store in held if store not in refused]:
        parts.sums.append((stores, answer, time.perf_counter() - started))


# Recording the results


def _hand_in(asked: Exchange, parts: Parts, now: dt.datetime) -> int:
    """Record all results in one transaction; returns how many stores could not be used."""
    refused = len(parts.refusals)
    if len(parts.sums) == 1 and not (parts.refusals or parts.rest):
        return _hand_in_sum(asked, *parts.sums[0])  # one statement needs no transaction
    with transaction.atomic():
        for store, refusal in parts.refusals.items():
            leave_out(asked, store, *refusal)
        if parts.answers:
            refused += receive_all(asked, parts.answers, now=now)
        for summed in parts.sums:
            refused += _hand_in_sum(asked, *summed)
        if parts.rest:
            ask_the_rest(asked.round_id, asked.number, parts.rest)
    return refused


def _hand_in_sum(asked: Exchange, stores: Sequence[str], answer: Json, seconds: float) -> int:
    try:
        receive_sum(asked, stores, answer, seconds=seconds)
    except AnswerRefused as refused:
        if len(stores) > 1:  # the sum does not show which store is at fault
            ask_singly(asked.round_id, asked.number, stores)
            return 0
        with transaction.atomic(savepoint=False):
            leave_out(asked, stores[0], UpdateState.REJECTED, refused.reason, refused.detail)
        return 1
    return 0
