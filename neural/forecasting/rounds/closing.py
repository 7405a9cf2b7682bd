"""Ending a round: its version, the pointer, and all that waited for it."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from neural.errors import NeuralError
from neural.forecasting.core.gate import GateDecision, Judged, add_up, judge
from neural.forecasting.core.protocol import Json
from neural.forecasting.core.types import can_forecast
from neural.forecasting.models import (
    ActiveModel,
    GroupSum,
    ModelVersion,
    Publishing,
    Standing,
    StoreUpdate,
    TrainingRound,
)
from neural.forecasting.models.round import CLOSED_STATES
from neural.forecasting.names import FORECAST_TASK, TRAIN_TASK
from neural.forecasting.rounds.exchange import Exchange
from neural.forecasting.rounds.kept import kept_stores
from neural.ledger.record import enqueue
from neural.models import RunState, TaskRun
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE


class PointerMoved(NeuralError):
    """Somebody put another version in force at this very moment: look again."""


def finish(
    training: TrainingRound,
    asked: Exchange,
    server_state: Json,
    answers: Iterable[Json],
    now: dt.datetime,
) -> bool:
    """Make a version of a finished model, publish it if the gate lets it pass, and close.

    Within a transaction. Returns whether it did: not if another coordinator was first. Raises
    :class:`PointerMoved`.
    """
    judged = _judged(training, asked, answers)
    totals = add_up(judged)
    verdict = _verdict(training, judged)
    publishes = verdict.better and training.plan.publishing == Publishing.AUTOMATIC
    if publishes:
        closed = training.publish(now=now)
    else:
        reason = "candidate" if verdict.better else verdict.reason
        closed = training.reject(reason, verdict.detail, now=now)
    if not closed:
        return False
    version = _keep_version(training, asked, server_state, totals, verdict)
    if publishes and not ActiveModel.objects.publish(
        version, instead_of=training.base_version, by=training.requested_by
    ):
        raise PointerMoved(training.model_type)
    after_close(training)
    return True


def _judged(training: TrainingRound, asked: Exchange, answers: Iterable[Json]) -> list[Judged]:
    """What the stores said when they judged: just now, or in an earlier exchange of the round."""
    if asked.question.judges:
        return [each["figures"] for each in answers if "figures" in each]
    kept = StoreUpdate.objects.taking_part().filter(round=training.pk).order_by("store")
    return [each for each in kept.values_list("figures", flat=True) if each]


def _verdict(training: TrainingRound, judged: Sequence[Judged]) -> GateDecision:
    active = ActiveModel.objects.version_of(training.model_type)
    if active != training.base_version:
        return GateDecision(False, "overtaken", f"version {active.number}" if active else "")
    return judge(judged)


def _keep_version(
    training: TrainingRound,
    asked: Exchange,
    server_state: Json,
    totals: Mapping[str, Any],
    verdict: GateDecision,
) -> ModelVersion:
    waits = verdict.better or verdict.reason == "overtaken"
    return ModelVersion.objects.add(
        model_type=training.model_type,
        content=server_state,
        parent=training.base_version,
        round=training,
        schema_hash=asked.kind.schema_hash,
        metrics={"totals": totals, "verdict": verdict.reason, "detail": verdict.detail},
        standing=Standing.CANDIDATE if waits else Standing.REJECTED,
    )


def cancel_round(training: TrainingRound, *, now: dt.datetime) -> bool:
    """End a round because a person says so. Returns whether it was open."""
    with transaction.atomic():
        if not training.cancel(now=now):
            return False
        after_close(training)
    return True


def after_close(training: TrainingRound) -> None:
    """What follows the end of a round, whatever it is: in the transaction that ends it."""
    StoreUpdate.objects.filter(round=training.pk, payload__isnull=False).update(payload=None)
    # Those of earlier rounds as well: a sum may come in when its round has just closed.
    GroupSum.objects.filter(round__state__in=CLOSED_STATES).delete()
    _hurry_who_waits()
    ask_for_forecasts(
        name=training.model_type,
        as_of=training.config.get("as_of", ""),
        requested_by=f"round {training.pk}",
    )
    transaction.on_commit(lambda: kept_stores.forget(training.pk), robust=True)


def ask_for_forecasts(*, name: str, as_of: str = "", requested_by: str) -> None:
    """Ask for the run that makes all forecasts of a model type, if it forecasts. ``as_of``: for
    the days after those that a round knew."""
    if not can_forecast(name):
        return
    enqueue(
        task=FORECAST_TASK,
        args=[],
        kwargs={"model_type": name, **({"as_of": as_of} if as_of else {})},
        queue=LOW_PRIORITY_QUEUE,
        priority=LOW_PRIORITY,
        unique_key=f"forecasts:{name}",
        requested_by=requested_by,
    )


def _hurry_who_waits() -> None:
    """Runs that wait for a round to give a store's receipt look again now; few ever wait."""
    waiting = TaskRun.objects.filter(task=TRAIN_TASK, event=None, state=RunState.PENDING)
    waiting.filter(available_at__gt=Now()).update(available_at=Now(), publish_at=Now())
