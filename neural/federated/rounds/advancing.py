"""The coordinator: moves a round on. Done twice, by two, or again after a kill: the same.

It reads the round and its answers, computes, and writes the next state by compare-and-set on
state and exchange, with everything that belongs to the step in one transaction: the draft, the
question, what became of each store, the runs of the next exchange. Who comes second changes
nothing.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Count, Q

from neural.federated.privacy import PrivacyBudgetSpent
from neural.federated.protocol import AnswerRefused, Json, Step
from neural.federated.rounds.asking import ask_singly, ask_stores
from neural.federated.rounds.closing import PointerMoved, after_close, finish
from neural.federated.rounds.exchange import Exchange, ExchangeOver, exchange_of, light_round
from neural.federated.rounds.receiving import DETAIL_LENGTH, tell_later
from neural.federated.rounds.spending import spend
from neural.models import GroupSum, RoundState, StoreUpdate, TrainingRound, UpdateState
from neural.models.store_update import TAKING_PART


class Standing(NamedTuple):
    """How many stores take part, and how many of them have answered the question."""

    taking_part: int
    answered: int

    @property
    def missing(self) -> int:
        return self.taking_part - self.answered


class Answers(NamedTuple):
    """What is added up: answers by store (or first store of a sum), and whose they are."""

    by_name: Mapping[str, Json]
    stores: Mapping[str, tuple[str, ...]]


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
    standing = standing_of(training)
    if standing.taking_part < training.quorum:
        _close(training, RoundState.FAILED_QUORUM, "quorum", _of(standing, training), now=now)
    elif standing.missing and not _is_over(training, now):
        _ask_again(training, now)
    elif standing.answered < training.quorum:
        _close(training, RoundState.FAILED_QUORUM, "quorum", _of(standing, training), now=now)
    else:
        _aggregate(training, now, take_over=take_over)


def standing_of(training: TrainingRound) -> Standing:
    """How many stores take part in this exchange, and how many have answered."""
    rows = StoreUpdate.objects.taking_part().filter(round=training.pk)
    answered = Count("pk", filter=Q(exchange__gte=training.exchange))
    return Standing(**rows.aggregate(taking_part=Count("pk"), answered=answered))


def _of(standing: Standing, training: TrainingRound) -> str:
    return f"{standing.answered} of {training.invited}; {training.quorum} are needed"


def _is_over(training: TrainingRound, now: dt.datetime) -> bool:
    return training.exchange_closes_at is not None and now >= training.exchange_closes_at


def half_time(training: TrainingRound) -> dt.datetime | None:
    """When stores that have not answered are asked again; None where no question is out."""
    if training.exchange_opened_at is None or training.exchange_closes_at is None:
        return None
    return (
        training.exchange_opened_at
        + (training.exchange_closes_at - training.exchange_opened_at) / 2
    )


def _ask_again(training: TrainingRound, now: dt.datetime) -> None:
    at = half_time(training)
    if at is None or now < at or not training.asks:
        return
    with transaction.atomic():
        if training.ask_again():
            missing = StoreUpdate.objects.missing(training.exchange).filter(round=training.pk)
            names = list(missing.values_list("store_id", flat=True))
            ask_singly(training.pk, training.exchange, names)


def _close(
    training: TrainingRound, state: RoundState, reason: str, detail: str = "", *, now: dt.datetime
) -> None:
    end = training.fail_quorum if state == RoundState.FAILED_QUORUM else training.fail
    with transaction.atomic():
        if end(reason, detail, now=now):
            after_close(training)


# Adding up


def _aggregate(training: TrainingRound, now: dt.datetime, *, take_over: bool) -> None:
    asked = exchange_of(training)
    if not _begin(training, asked, take_over=take_over):
        return
    answers = _answers(asked)
    try:
        spend(training, asked)
        step = asked.kind.program.go_on(asked.config, asked.draft, asked.question, answers.by_name)
    except PrivacyBudgetSpent as spent:
        _close(training, RoundState.FAILED_ERROR, "privacy_budget", str(spent), now=now)
    except AnswerRefused as refused:  # too few answers for the arithmetic
        _close(training, RoundState.FAILED_QUORUM, "quorum", refused.reason, now=now)
    except (DatabaseError, InterfaceError, SoftTimeLimitExceeded):
        raise  # the run is tried again, and takes over
    except Exception as error:  # noqa: BLE001 (a program's message could carry what stores sent)
        _close(training, RoundState.FAILED_ERROR, "program", type(error).__name__, now=now)
    else:
        _take_step_or_fail(training, asked, answers, step, now)


def _begin(training: TrainingRound, asked: Exchange, *, take_over: bool) -> bool:
    """Say that answers are added up; False if another coordinator is at it already. Sums of
    groups come by the hundred and are quick: for them nothing is said."""
    if training.state == RoundState.AGGREGATING:
        return take_over
    if asked.question.together or training.state != RoundState.COLLECTING:
        return True
    if training.begin_aggregating():
        return True
    raise ExchangeOver(f"round {training.pk}")


def _answers(asked: Exchange) -> Answers:
    if asked.question.together:
        sums = GroupSum.objects.filter(round=asked.round_id, exchange=asked.number)
        rows = sorted(sums.values_list("first_store", "payload", "stores"))
        return Answers(
            {name: payload for name, payload, _ in rows},
            {name: tuple(stores) for name, _, stores in rows},
        )
    updates = StoreUpdate.objects.answered(asked.number).filter(round=asked.round_id)
    found: dict[str, Json] = dict(sorted(updates.values_list("store_id", "payload")))  # type: ignore[arg-type]  # who has answered has a payload
    return Answers(found, {store: (store,) for store in found})


def _take_step_or_fail(
    training: TrainingRound, asked: Exchange, answers: Answers, step: Step, now: dt.datetime
) -> None:
    try:
        _take_step(training, asked, answers, step, now)
    except (TypeError, ValueError) as error:  # a draft that is no JSON, NaN among it
        _close(training, RoundState.FAILED_ERROR, "program", type(error).__name__, now=now)


def _take_step(
    training: TrainingRound, asked: Exchange, answers: Answers, step: Step, now: dt.datetime
) -> None:
    refused = {
        store: why for name, why in step.refused.items() for store in answers.stores.get(name, ())
    }
    used = [store for stores in answers.stores.values() for store in stores if store not in refused]
    with transaction.atomic():
        if len(used) < training.quorum:
            detail = f"{len(used)} of {training.invited}; {training.quorum} are needed"
            moved = training.fail_quorum("quorum", detail, now=now)
            if moved:
                after_close(training)
        elif step.question is None:
            names = [name for name in answers.by_name if name not in step.refused]
            given = [answers.by_name[name] for name in names]
            moved = finish(training, asked, step.draft, given, now)
        else:
            question = step.question
            moved = training.ask(
                draft=step.draft, question=question.as_json(), judges=question.judges, now=now
            )
        if not moved:
            raise ExchangeOver(f"round {training.pk}")
        _settle_stores(asked, used, refused)
        if training.is_open:
            ask_stores(training, used)


def _settle_stores(asked: Exchange, used: Iterable[str], refused: Mapping[str, str]) -> None:
    """What became of each store in this exchange; its answers have been used."""
    updates = StoreUpdate.objects.filter(round=asked.round_id)
    for store, why in refused.items():
        reason, _, detail = why.partition(": ")
        updates.filter(store=store).update(
            state=UpdateState.LEFT_OUT, reason=reason[:50], detail=detail[:DETAIL_LENGTH]
        )
        tell_later(asked, store, UpdateState.LEFT_OUT, reason)
    others = updates.filter(state__in=TAKING_PART).exclude(store__in=list(used))
    if late := list(others.values_list("store_id", flat=True)):
        others.update(state=UpdateState.LATE, reason="no_answer")
        for store in late:
            tell_later(asked, store, UpdateState.LATE, "no_answer")
    if asked.question.together:
        GroupSum.objects.filter(round=asked.round_id, exchange=asked.number).delete()
    else:
        updates.filter(payload__isnull=False).update(payload=None)
