"""The coordinator, which advances a round.

It reads the round and its answers, computes, and writes the next state by compare-and-set on state
and exchange. One transaction holds everything that belongs to the step: the server state, the
question, the outcome of each store, the runs of the next exchange. So the result is the same if two
processes advance a round, or if one does so again after a kill: the second changes nothing.
"""

import datetime as dt
import time
from collections.abc import Mapping, Sequence

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F

from neural.forecasting.core.protocol import AnswerRefused, Step
from neural.forecasting.models import (
    GroupSum,
    RoundState,
    StoreUpdate,
    TrainingRound,
    UpdateState,
)
from neural.forecasting.rounds.asking import ask_singly, ask_stores
from neural.forecasting.rounds.closing import PointerMoved, after_close, finish
from neural.forecasting.rounds.exchange import Exchange, ExchangeOver, exchange_of, light_round
from neural.forecasting.rounds.gathering import Answers, Gathered, answers_of, gather
from neural.forecasting.rounds.receiving import DETAIL_LENGTH, log_on_commit


def advance(*, round_id: int, now: dt.datetime, take_over: bool = True) -> TrainingRound:
    """Take the step that is due in a round, if any; returns the round as it is afterwards.

    ``take_over``: aggregate even if another coordinator has begun to, because it may have been
    killed.
    """
    while True:
        training = light_round(round_id)
        if not training.is_open:
            return training
        try:
            _do(training, now, take_over=take_over)
        except (ExchangeOver, PointerMoved):
            continue  # another process was faster: read the round again
        return training


def _do(training: TrainingRound, now: dt.datetime, *, take_over: bool) -> None:
    if now >= training.closes_at:
        _close(training, RoundState.FAILED_ERROR, "deadline", now=now)
        return
    if training.state in (RoundState.PLANNED, RoundState.SELECTING):
        return  # nothing has been asked yet
    asked = exchange_of(training)
    gathered = gather(asked)
    if len(gathered.taking_part) < training.quorum:
        _too_few(training, len(gathered.taking_part), now)
    elif gathered.missing and not _is_over(training, now):
        _ask_again(training, gathered.missing, now)
    elif len(gathered.answered) < training.quorum:
        _too_few(training, len(gathered.answered), now)
    else:
        _aggregate(training, asked, gathered, now, take_over=take_over)


def _too_few(training: TrainingRound, found: int, now: dt.datetime) -> None:
    detail = f"{found} of {training.invited}; {training.quorum} are needed"
    _close(training, RoundState.FAILED_QUORUM, "quorum", detail, now=now)


def _is_over(training: TrainingRound, now: dt.datetime) -> bool:
    return training.exchange_closes_at is not None and now >= training.exchange_closes_at


def since(now: dt.datetime, began: float) -> dt.datetime:
    """``now`` plus the time since ``began`` (monotonic clock). It keeps the work done meanwhile
    from shortening the next exchange."""
    return now + dt.timedelta(seconds=time.monotonic() - began)


def half_time(training: TrainingRound) -> dt.datetime | None:
    """The time at which missing stores are asked again; None if no question is open."""
    if training.exchange_opened_at is None or training.exchange_closes_at is None:
        return None
    return (
        training.exchange_opened_at
        + (training.exchange_closes_at - training.exchange_opened_at) / 2
    )


def _ask_again(training: TrainingRound, missing: Sequence[str], now: dt.datetime) -> None:
    at = half_time(training)
    if at is None or now < at or not training.asks:
        return
    with transaction.atomic():
        if training.ask_again():
            ask_singly(training.pk, training.exchange, missing)


def _close(
    training: TrainingRound, state: RoundState, reason: str, detail: str = "", *, now: dt.datetime
) -> None:
    with transaction.atomic():
        if training.close(state, reason, detail, now=now):
            after_close(training)


# Aggregating


def _aggregate(
    training: TrainingRound,
    asked: Exchange,
    gathered: Gathered,
    now: dt.datetime,
    *,
    take_over: bool,
) -> None:
    if not _begin(training, asked, take_over=take_over):
        return
    began = time.monotonic()
    answers = answers_of(asked, gathered)
    try:
        step = asked.kind.program.go_on(
            asked.config, asked.server_state, asked.question, answers.by_name
        )
        _take_step(training, asked, gathered, answers, step, since(now, began))
    except AnswerRefused as refused:  # too few answers for the arithmetic
        _close(training, RoundState.FAILED_QUORUM, "quorum", refused.reason, now=now)
    except (DatabaseError, InterfaceError, SoftTimeLimitExceeded, ExchangeOver, PointerMoved):
        raise  # the run is retried and takes over, or the round is read again
    except Exception as error:  # noqa: BLE001 (a program's message could contain stores' data)
        _close(training, RoundState.FAILED_ERROR, "program", type(error).__name__, now=now)


def _begin(training: TrainingRound, asked: Exchange, *, take_over: bool) -> bool:
    """Mark the round as aggregating. Returns False if another coordinator already does it. An
    exchange of group sums is not marked: there are hundreds, and each is quick."""
    if training.state == RoundState.AGGREGATING:
        return take_over
    if asked.adds_up or training.state != RoundState.COLLECTING:
        return True
    if training.begin_aggregating():
        return True
    raise ExchangeOver(f"round {training.pk}")


def _take_step(
    training: TrainingRound,
    asked: Exchange,
    gathered: Gathered,
    answers: Answers,
    step: Step,
    now: dt.datetime,
) -> None:
    """Write the step with everything that belongs to it. Raises :class:`ExchangeOver` if another
    coordinator was faster."""
    refused = {
        store: why for name, why in step.refused.items() for store in answers.stores.get(name, ())
    }
    used = sorted(
        store for stores in answers.stores.values() for store in stores if store not in refused
    )
    if len(used) < training.quorum:
        _too_few(training, len(used), now)
        return
    with transaction.atomic():
        if step.question is None:
            names = [name for name in answers.by_name if name not in step.refused]
            given = [answers.by_name[name] for name in names]
            moved = finish(training, asked, step.server_state, given, now)
        else:
            question = step.question
            moved = training.ask(
                server_state=step.server_state,
                question=question.as_json(),
                judges=question.judges,
                taking_part=len(used),
                now=now,
            )
        if not moved:
            raise ExchangeOver(f"round {training.pk}")
        _settle_stores(asked, gathered, used, refused, now)
        if step.question is not None:
            ask_stores(training, used, together=step.question.together)


def _settle_stores(
    asked: Exchange,
    gathered: Gathered,
    used: Sequence[str],
    refused: Mapping[str, str],
    now: dt.datetime,
) -> None:
    """Record the outcome of each store in this exchange, and delete the answers, which have been
    used."""
    updates = StoreUpdate.objects.filter(round=asked.round_id)
    for store, why in refused.items():
        reason, _, detail = why.partition(": ")
        updates.filter(store=store).update(
            state=UpdateState.LEFT_OUT, reason=reason[:50], detail=detail[:DETAIL_LENGTH]
        )
        log_on_commit(asked, store, UpdateState.LEFT_OUT, reason)
    if late := sorted(gathered.taking_part - set(used) - set(refused)):
        updates.filter(store__in=late).update(state=UpdateState.LATE, reason="no_answer")
        for store in late:
            log_on_commit(asked, store, UpdateState.LATE, "no_answer")
    if asked.adds_up:
        _settle_sums(asked, gathered, used, now)
    else:
        updates.filter(payload__isnull=False).update(payload=None)


def _settle_sums(
    asked: Exchange, gathered: Gathered, used: Sequence[str], now: dt.datetime
) -> None:
    """Charge each store an equal share of the sums' seconds and bytes, and delete the sums."""
    seconds = sum(each.seconds for each in gathered.sums) / len(used)
    size = sum(each.bytes_sent for each in gathered.sums) // len(used)
    part = StoreUpdate.objects.taking_part().filter(round=asked.round_id)
    part.update(  # stores that were not used have just been excluded
        exchange=asked.number,
        state=UpdateState.ACCEPTED,
        answered_at=now,
        bytes_sent=F("bytes_sent") + size,
        seconds=F("seconds") + seconds,
    )
    GroupSum.objects.filter(round=asked.round_id, exchange__lte=asked.number).delete()
