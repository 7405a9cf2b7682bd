"""The coordinator: moves a round on. Done twice, by two, or again after a kill: the same.

It reads the round and its answers, computes, and writes the next state by compare-and-set on state
and exchange, with everything that belongs to the step in one transaction: the server state, the
question, what became of each store, the runs of the next exchange. Who comes second changes
nothing.
"""

import datetime as dt
import time
from collections.abc import Mapping, Sequence

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F

from neural.forecasting.core.privacy import PrivacyBudgetSpent
from neural.forecasting.core.protocol import AnswerRefused, Step
from neural.forecasting.models import GroupSum, RoundState, StoreUpdate, TrainingRound, UpdateState
from neural.forecasting.rounds.asking import ask_singly, ask_stores
from neural.forecasting.rounds.closing import PointerMoved, after_close, finish
from neural.forecasting.rounds.exchange import Exchange, ExchangeOver, exchange_of, light_round
from neural.forecasting.rounds.gathering import Answers, Gathered, answers_of, gather
from neural.forecasting.rounds.receiving import DETAIL_LENGTH, log_on_commit
from neural.forecasting.rounds.spending import spend


def advance(*, round_id: int, now: dt.datetime, take_over: bool = True) -> TrainingRound:
    """Do what is to be done about a round at this moment; returns it as it is then.

    ``take_over``: add up even if another coordinator has begun to. It may have been killed.
    """
    while True:
        training = light_round(round_id)
        if not training.is_open:
            return training
        try:
            _do(training, now, take_over=take_over)
        except (ExchangeOver, PointerMoved):
            continue  # somebody was quicker: look again
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
    """What ``now`` has become since it was ``began`` by the monotonic clock: the next exchange is
    not to be the shorter for what has been worked meanwhile."""
    return now + dt.timedelta(seconds=time.monotonic() - began)


def half_time(training: TrainingRound) -> dt.datetime | None:
    """When stores that have not answered are asked again; None where no question is out."""
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
    end = training.fail_quorum if state == RoundState.FAILED_QUORUM else training.fail
    with transaction.atomic():
        if end(reason, detail, now=now):
            after_close(training)


# Adding up


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
        spend(training, asked)
        step = asked.kind.program.go_on(
            asked.config, asked.server_state, asked.question, answers.by_name
        )
        _take_step(training, asked, gathered, answers, step, since(now, began))
    except PrivacyBudgetSpent as spent:
        _close(training, RoundState.FAILED_ERROR, "privacy_budget", str(spent), now=now)
    except AnswerRefused as refused:  # too few answers for the arithmetic
        _close(training, RoundState.FAILED_QUORUM, "quorum", refused.reason, now=now)
    except (DatabaseError, InterfaceError, SoftTimeLimitExceeded, ExchangeOver, PointerMoved):
        raise  # the run is tried again and takes over, or the round is looked at again
    except Exception as error:  # noqa: BLE001 (a program's message could carry what stores sent)
        _close(training, RoundState.FAILED_ERROR, "program", type(error).__name__, now=now)


def _begin(training: TrainingRound, asked: Exchange, *, take_over: bool) -> bool:
    """Say that answers are added up; False if another coordinator is at it already. Sums of
    groups come by the hundred and are quick: for them nothing is said."""
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
    """Write the step with all that belongs to it, or raise :class:`ExchangeOver`."""
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
    """What became of each store in this exchange; its answers have been used."""
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
    """Each store bears an equal share of what the sums took."""
    seconds = sum(each.seconds for each in gathered.sums) / len(used)
    size = sum(each.bytes_sent for each in gathered.sums) // len(used)
    part = StoreUpdate.objects.taking_part().filter(round=asked.round_id)
    part.update(  # those who are not used have just been taken out
        exchange=asked.number,
        state=UpdateState.ACCEPTED,
        answered_at=now,
        bytes_sent=F("bytes_sent") + size,
        seconds=F("seconds") + seconds,
    )
    GroupSum.objects.filter(round=asked.round_id, exchange__lte=asked.number).delete()
