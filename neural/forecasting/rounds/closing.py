"""Ends a round: keeps its model version, publishes it, and starts whatever waited for the end."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from neural.forecasting.core.evaluation import GateDecision, Judged, add_up, judge
from neural.forecasting.core.model_types import ModelType, can_forecast
from neural.forecasting.core.participant import Exchange
from neural.forecasting.core.protocol import Json
from neural.forecasting.models import (
    ActiveModel,
    ModelVersion,
    Publishing,
    RoundState,
    Standing,
    StoreUpdate,
    TrainingRound,
)
from neural.forecasting.rounds.asking import ADVANCE_TASK, FORECAST_TASK, LOW, TRAIN_TASK
from neural.kit.errors import NeuralError
from neural.ledger.clock import database_clock
from neural.ledger.ports import Ended, without_success
from neural.ledger.record import enqueue
from neural.models import RunState, TaskRun


class PointerMoved(NeuralError):
    """Another version was put in force at the same moment; the round must be read again."""


def finish(training: TrainingRound, kind: ModelType, done: Exchange, now: dt.datetime) -> bool:
    """Make a version of the finished model, publish it if it passes the gate, and close the round.

    Call this within a transaction. Returns False if somebody else was faster. Raises
    :class:`PointerMoved`.
    """
    assert done.step is not None
    judged = _judged(training, done)
    totals = add_up(judged)
    verdict = _verdict(training, judged)
    publishes = verdict.better and training.plan.publishing == Publishing.AUTOMATIC
    state, reason, detail = RoundState.PUBLISHED, "better", ""
    if not publishes:
        state, reason = RoundState.REJECTED, "candidate" if verdict.better else verdict.reason
        detail = verdict.detail
    if not training.close(state, reason, detail, now=now):
        return False
    version = _add_version(training, kind, done.step.server_state, totals, verdict)
    if publishes and not ActiveModel.objects.publish(
        version, instead_of=training.base_version, by=training.requested_by
    ):
        raise PointerMoved(training.model_type)
    after_close(training)
    return True


def _judged(training: TrainingRound, done: Exchange) -> list[Judged]:
    """The stores' judgements, from this exchange's answers or from an earlier exchange."""
    if done.before.question and done.before.question.judges:
        return [each["figures"] for each in done.answers.values() if "figures" in each]
    updates = StoreUpdate.objects.taking_part().filter(round=training.pk).order_by("store")
    return [each for each in updates.values_list("figures", flat=True) if each]


def _verdict(training: TrainingRound, judged: Sequence[Judged]) -> GateDecision:
    active = ActiveModel.objects.version_of(training.model_type)
    if active != training.base_version:
        return GateDecision(False, "overtaken", f"version {active.number}" if active else "")
    return judge(judged)


def _add_version(
    training: TrainingRound,
    kind: ModelType,
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
        schema_hash=kind.schema_hash,
        metrics={"totals": totals, "verdict": verdict.reason, "detail": verdict.detail},
        standing=Standing.CANDIDATE if waits else Standing.REJECTED,
    )


def cancel_round(training: TrainingRound, *, now: dt.datetime) -> bool:
    """End a round on a person's request. Returns False if it was not open."""
    with transaction.atomic():
        if not training.cancel(now=now):
            return False
        after_close(training)
    return True


def fail_with_run(ended: Sequence[Ended]) -> None:
    """End the rounds whose run ended before them, in the same transaction: nothing else trains
    them."""
    rows = TrainingRound.objects.open
    for _run, training in without_success(ended, task=ADVANCE_TASK, argument="round_id", rows=rows):
        if training.give_up(RoundState.FAILED_ERROR, "run_ended", now=database_clock()):
            after_close(training)


def after_close(training: TrainingRound) -> None:
    """Wake the runs that wait for a round that has just ended, and enqueue forecasts. Call this in
    the transaction that ends the round."""
    _wake_waiting_runs()
    ask_for_forecasts(
        name=training.model_type,
        as_of=training.config.get("as_of", ""),
        requested_by=f"round {training.pk}",
    )


def ask_for_forecasts(*, name: str, as_of: str = "", requested_by: str) -> None:
    """Enqueue the run that makes all forecasts of a model type, if the type forecasts. ``as_of``
    (ISO 8601): forecast as on the morning of that day."""
    if not can_forecast(name):
        return
    enqueue(
        task=FORECAST_TASK,
        args=[],
        kwargs={"model_type": name, **({"as_of": as_of} if as_of else {})},
        **LOW,
        unique_key=f"forecasts:{name}:{as_of}",
        requested_by=requested_by,
    )


def _wake_waiting_runs() -> None:
    """Make the runs that wait for a round due now. There are never many of them."""
    waiting = TaskRun.objects.filter(task=TRAIN_TASK, event=None, state=RunState.PENDING)
    waiting.filter(available_at__gt=Now()).update(available_at=Now(), publish_at=Now())
