"""Trains a round in memory, in one run: this database's stores are one participant.

After each exchange a compare-and-set on the round's state and exchange writes all that belongs to
the step: the server state, the next question, what became of stores. So a run that is killed, or
gives way to other work, costs the exchange that it was at, and two runs of a round do not disturb
each other: the slower one changes nothing and ends.
"""

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, transaction

from neural.forecasting.conf import conf
from neural.forecasting.core.model_types import ModelType, model_type
from neural.forecasting.core.participant import Exchange, Refusal, Stores, exchanges
from neural.forecasting.core.protocol import AnswerRefused, Json, Question, Step, TrainingConfig
from neural.forecasting.models import RoundState, StoreUpdate, TrainingRound, UpdateState
from neural.forecasting.models.round import log_store
from neural.forecasting.rounds.closing import PointerMoved, after_close, finish
from neural.forecasting.sales import sales_of
from neural.kit.errors import PermanentError
from neural.ledger.clock import database_clock
from neural.models import Store
from neural.runs.slices import SLICE_SECONDS, in_slices

LONGEST_SLICE_SECONDS = 1200.0
"""A run goes on for so long if no other work waits. To go on in another attempt costs reading all
sales again, and the memory of two processes."""
GIVES_WAY_SECONDS = 3 * SLICE_SECONDS
STORES_AT_ONCE = 200
"""Rows written by one statement."""


class RoundUnknown(PermanentError):
    """There is no training round with this number."""


def train_round(*, round_id: int) -> dict[str, Any]:
    """The work of the run that trains a round; returns how it ended, or raises
    :class:`~neural.ledger.work.Snooze` to give way to other work."""
    training = _round(round_id)
    in_slices(
        steps(training),
        lambda: {"round": training.pk, "exchange": training.exchange},
        seconds=LONGEST_SLICE_SECONDS,
        gives_way_after=GIVES_WAY_SECONDS,
    )
    training.refresh_from_db(fields=["state", "reason"])
    return {"round": training.pk, "state": training.state, "reason": training.reason}


def _round(round_id: int) -> TrainingRound:
    found = TrainingRound.objects.filter(pk=round_id).select_related("plan").first()
    if found is None:
        raise RoundUnknown(f"there is no training round {round_id}")
    return found


def steps(training: TrainingRound) -> Iterator[TrainingRound]:
    """Do one exchange after another, and yield the round after each, until it has closed or
    somebody else has moved it."""
    if close_in_vain(training, now=database_clock()) or not training.asks:
        return
    kind, config = model_type(training.model_type), TrainingConfig(**training.config)
    stores, refused = _stores_of(training, config)
    try:
        for done in exchanges(
            kind=kind,
            config=config,
            stores=stores,
            step=Step(training.server_state, Question.from_json(training.question)),
            refused=refused,
            quorum=training.quorum,
            memory_bytes=conf().training_memory_bytes,
        ):
            if not _record(training, kind, config, done, stores):
                return
            yield training
            if close_in_vain(training, now=database_clock()):
                return
    except AnswerRefused as too_few:  # for the arithmetic
        _close(training, RoundState.FAILED_QUORUM, "quorum", too_few.reason)
    except (DatabaseError, InterfaceError, SoftTimeLimitExceeded):
        raise  # the run is retried, and goes on from the last exchange
    except Exception as error:  # noqa: BLE001 (a program's message could contain stores' data)
        _close(training, RoundState.FAILED_ERROR, "program", type(error).__name__)


def close_in_vain(training: TrainingRound, *, now: dt.datetime) -> bool:
    """End a round that cannot come to its end: its time is up, or software of another version has
    opened it, and its config and state are not known here. Returns whether it is closed."""
    if not training.is_open:
        return True
    if now >= training.closes_at:
        return _close(training, RoundState.FAILED_ERROR, "deadline")
    if set(training.config) != {each.name for each in fields(TrainingConfig)}:
        return _close(training, RoundState.FAILED_ERROR, "other_software")
    return False


def _close(training: TrainingRound, state: RoundState, reason: str, detail: str = "") -> bool:
    with transaction.atomic():
        if training.close(state, reason, detail, now=database_clock()):
            after_close(training)
    return True


def _stores_of(
    training: TrainingRound, config: TrainingConfig
) -> tuple[Stores, dict[str, Refusal]]:
    """The sales of the stores that take part, and the stores whose sales are of no use."""
    stores: Stores = {}
    refused: dict[str, Refusal] = {}
    part = StoreUpdate.objects.taking_part().filter(round=training)
    for store in Store.objects.filter(pk__in=part.values("store")).order_by("pk"):
        try:
            sales = sales_of(
                store,
                today=dt.date.fromisoformat(config.as_of)
                if config.as_of
                else store.business_day(training.opened_at),
                history_days=config.history_days,
                most_dishes=training.dishes_per_store,
            )
            stores[store.pk] = sales, {}
        except (DatabaseError, InterfaceError, SoftTimeLimitExceeded):
            raise
        except Exception as error:  # noqa: BLE001 (one store's rows must not stop the others)
            refused[store.pk] = Refusal.of(error)
    return stores, refused


# What an exchange leaves in the database


def _record(
    training: TrainingRound,
    kind: ModelType,
    config: TrainingConfig,
    done: Exchange,
    stores: Stores,
) -> bool:
    """Write an exchange with everything that belongs to it. Returns False if somebody else has
    moved the round."""
    while True:
        try:
            with transaction.atomic():
                moved = _move(training, kind, done, len(stores))
                if moved:
                    _settle(training, config, done)
            return moved
        except PointerMoved:
            training.refresh_from_db(fields=["state", "exchange"])


def _move(training: TrainingRound, kind: ModelType, done: Exchange, count: int) -> bool:
    now = database_clock()
    if done.step is None:
        detail = f"{count} of {training.invited}; {training.quorum} are needed"
        moved = training.close(RoundState.FAILED_QUORUM, "quorum", detail, now=now)
        if moved:
            after_close(training)
        return moved
    question = done.step.question
    if question is None:
        return finish(training, kind, done, now)
    return training.ask(
        server_state=done.step.server_state,
        question=question.as_json(),
        judges=question.judges,
        taking_part=count,
        now=now,
    )


def _settle(training: TrainingRound, config: TrainingConfig, done: Exchange) -> None:
    """Record what became of stores. Figures of the stores that go on are written with the first
    question, with those by which they judge, and with the last."""
    question = done.before.question
    assert question is not None
    updates = StoreUpdate.objects.filter(round=training)
    for store, refusal in done.refused.items():
        state = UpdateState(refusal.state)
        reason, detail = refusal.reason[:50], refusal.detail[:200]
        updates.filter(store=store).update(state=state, reason=reason, detail=detail)
        log_change = partial(
            log_store,
            state.value,
            round_id=training.pk,
            store=store,
            level=logging.WARNING,
            exchange=question.number,
            reason=reason,
        )
        transaction.on_commit(log_change, robust=True)
    if question.number == 1 or question.judges or not training.asks:
        part = list(updates.taking_part().only("pk", "store_id", "examples", "figures"))
        now = database_clock()
        for each in part:
            each.state, each.exchange = UpdateState.ACCEPTED, question.number
            each.answered_at = now
            _keep_figures(each, config, question, done.answers.get(each.store_id, {}))
        kept = ["state", "exchange", "answered_at", "examples", "figures"]
        StoreUpdate.objects.bulk_update(part, kept, batch_size=STORES_AT_ONCE)


def _keep_figures(
    update: StoreUpdate, config: TrainingConfig, question: Question, answer: Json
) -> None:
    """Keep how many examples a store trained on, and how it judged the model."""
    if question.judges:
        update.figures = answer.get("figures", update.figures)
    elif isinstance(examples := answer.get("examples"), int):
        update.examples = min(examples, config.max_examples)
