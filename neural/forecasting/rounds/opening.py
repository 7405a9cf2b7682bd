"""Opens a round: invites stores, asks the first question, and enqueues the run that trains.

A run that waits for a round occupies no worker; it returns the round's outcome to whoever asked for
the training."""

import datetime as dt
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, IntegrityError, InterfaceError, transaction

from neural.forecasting.core.model_types import ModelType, model_type
from neural.forecasting.core.protocol import Step, TrainingConfig
from neural.forecasting.models import (
    ActiveModel,
    ModelVersion,
    RoundState,
    StoreUpdate,
    TrainingPlan,
    TrainingRound,
)
from neural.forecasting.rounds.asking import ADVANCE_TASK, LOW
from neural.forecasting.rounds.closing import after_close, ask_for_forecasts
from neural.forecasting.rounds.progress import round_progress
from neural.forecasting.rounds.training import close_in_vain
from neural.forecasting.sources import demand_source
from neural.kit.errors import PermanentError
from neural.ledger.record import enqueue
from neural.ledger.work import Snooze, checkpoint, current_run
from neural.models import Store, TaskRun
from neural.models.store import StoreQuerySet, StoreUnknown

LEAST_DAYS = 28
"""A store is invited if it has at least this many days with sales."""


class PlanMissing(PermanentError):
    """The model type has no training plan."""


class OpenedRound(NamedTuple):
    """The open round of a model type; None if its plan is switched off."""

    round: TrainingRound | None
    is_new: bool


def run_round(*, name: str, now: dt.datetime) -> dict[str, Any]:
    """The work of the nightly task; returns which round is open, and whether it is new.

    If the plan is switched off, forecasts are still made, with the version in force. How the round
    ends is told by its row and by an alert, so a new chain, whose stores have not sold enough yet,
    gets no dead run every night.
    """
    run = current_run()
    requested_by = (run.requested_by if run else "") or "run_federated_round"
    opened = open_round(name=name, now=now, requested_by=requested_by)
    if opened.round is None:
        ask_for_forecasts(name=name, requested_by=requested_by)
        return {"round": None, "reason": "switched_off"}
    return {"round": opened.round.pk, "state": opened.round.state, "new": opened.is_new}


def open_round(
    *, name: str, now: dt.datetime, requested_by: str = "", as_of: dt.date | None = None
) -> OpenedRound:
    """Open a round of this model type, or join the open one.

    ``as_of``: train as on the morning of that day, for sales that ended long ago.
    Raises :class:`PlanMissing` and :class:`~neural.forecasting.core.model_types.ModelTypeUnknown`.
    """
    kind = model_type(name)
    plan = _plan(name)
    found = _open_one(name, now) or _opened_by_this_run(name, requested_by)
    if found is not None:
        return OpenedRound(found, False)
    if not plan.enabled:
        return OpenedRound(None, False)
    try:
        with transaction.atomic():
            return OpenedRound(_open(plan, kind, now, requested_by, as_of), True)
    except IntegrityError:
        found = TrainingRound.objects.open().filter(model_type=name).first()
        if found is None:
            raise
        return OpenedRound(found, False)  # another process was faster


def _opened_by_this_run(name: str, requested_by: str) -> TrainingRound | None:
    """The round that an earlier attempt of this run has opened, though it may be closed by now.

    An attempt may have opened it and died before that was recorded. Another round would train
    twice. What somebody else has opened for the same requester since the
    run was recorded serves as well.
    """
    run = current_run()
    if run is None or not (run.failures or run.losses):
        return None
    since = TaskRun.objects.filter(pk=run.pk).values("created_at")
    rounds = TrainingRound.objects.filter(model_type=name, requested_by=requested_by)
    return rounds.filter(opened_at__gte=since).order_by("-pk").first()


def _plan(name: str) -> TrainingPlan:
    plan = TrainingPlan.objects.filter(model_type=name).first()
    if plan is None:
        raise PlanMissing(f"there is no training plan for {name!r}: make one in the admin")
    return plan


def _open_one(name: str, now: dt.datetime) -> TrainingRound | None:
    """The open round. One that cannot come to its end is closed, in case its own run is gone."""
    found = TrainingRound.objects.open().filter(model_type=name).first()
    return None if found is None or close_in_vain(found, now=now) else found


def _open(
    plan: TrainingPlan,
    kind: ModelType,
    now: dt.datetime,
    requested_by: str,
    as_of: dt.date | None,
) -> TrainingRound:
    today = as_of or now.date()
    stores = list(eligible_stores(plan, today=today).values_list("pk", flat=True))
    day = as_of.isoformat() if as_of else ""
    config = replace(plan.config(), as_of=day)
    training = TrainingRound.objects.create(
        plan=plan,
        model_type=plan.model_type,
        config=asdict(config),
        exchanges_expected=kind.expected_exchanges(config),
        base_version=ActiveModel.objects.version_of(plan.model_type),
        requested_by=requested_by[:150],
        invited=len(stores),
        quorum=plan.quorum_of(len(stores)),
        dishes_per_store=plan.dishes_per_store,
        opened_at=now,
        closes_at=now + dt.timedelta(seconds=plan.deadline_seconds),
    )
    training.select()
    _invite(training, kind, config, stores, now)
    return training


def _invite(
    training: TrainingRound,
    kind: ModelType,
    config: TrainingConfig,
    stores: list[str],
    now: dt.datetime,
) -> None:
    StoreUpdate.objects.bulk_create(StoreUpdate(round=training, store_id=store) for store in stores)
    if len(stores) < training.quorum:
        detail = f"{len(stores)}; {training.quorum} are needed"
        training.close(RoundState.FAILED_QUORUM, "no_stores", detail, now=now)
        after_close(training)
        return
    step = _begin(training, kind, config, now)
    if step is not None and step.question is not None:
        training.ask(
            server_state=step.server_state,
            question=step.question.as_json(),
            judges=step.question.judges,
            taking_part=len(stores),
            now=now,
        )
        enqueue(
            task=ADVANCE_TASK,
            args=[],
            kwargs={"round_id": training.pk},
            **LOW,
            task_id=f"training-round-{training.pk}",
        )


def _begin(
    training: TrainingRound, kind: ModelType, config: TrainingConfig, now: dt.datetime
) -> Step | None:
    """The program's first step. If the program fails, the round fails, and None is returned."""
    version = training.base_version
    try:
        step = kind.program.begin(config, version.load() if version else None)
        if step.question is None:
            raise ValueError("a program begins with a question")
    except (DatabaseError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception as error:  # noqa: BLE001 (an error of the program, or a version was changed)
        training.close(RoundState.FAILED_ERROR, "program", type(error).__name__, now=now)
        after_close(training)
        return None
    return step


def eligible_stores(plan: TrainingPlan, *, today: dt.date) -> StoreQuerySet:
    """The plan's stores with enough days of sales, confirmed or not, ordered by code."""
    # One day more at either end, because each store has its own clock.
    first = today - dt.timedelta(days=plan.history_days + 1)
    end = today + dt.timedelta(days=1)
    enough = demand_source().selling_stores(first=first, last=end, least_days=LEAST_DAYS)
    stores: StoreQuerySet = Store.objects.filter(pk__in=enough).order_by("pk")
    if plan.participants.exists():
        stores = stores.filter(pk__in=plan.participants.values("pk"))
    return stores


# Runs that wait for a round


WAIT_SECONDS = 30.0
"""A run that waits for its round checks again after this time, or when the round has closed."""


# Receipts


def train(*, store_id: str | None, model_type: str, now: dt.datetime) -> dict[str, Any]:
    """The work of a training run: open a round or join the open one, snooze while it is open, and
    return the receipt when it has closed.

    Called outside of a run, it does not wait: the receipt shows the open round's state. Raises
    :class:`StoreUnknown` for an unknown store, and
    :class:`~neural.forecasting.models.round.TrainingFailed` if the round has failed.
    """
    if store_id is not None and not Store.objects.filter(pk=store_id).exists():
        raise StoreUnknown(f"there is no store {store_id!r}")
    training = _round(model_type, now)
    if training is None:
        return {"round": None, "store": store_id, "outcome": "switched_off"}
    if training.is_open and current_run() is not None:
        raise Snooze(WAIT_SECONDS, checkpoint=round_progress(training).as_json())
    training.raise_if_failed()
    return receipt(training, store_id)


def _round(model_type: str, now: dt.datetime) -> TrainingRound | None:
    waited_for = checkpoint()
    if waited_for:
        return TrainingRound.objects.defer("server_state", "question").get(pk=waited_for["round"])
    run = current_run()
    requested_by = (run.requested_by if run else "") or "train_federated_model"
    return open_round(name=model_type, now=now, requested_by=requested_by).round


def receipt(training: TrainingRound, store_id: str | None) -> dict[str, Any]:
    """How a round ended, for the chain or for one store. It contains codes, no rows."""
    version = ModelVersion.objects.filter(round=training.pk).only("number", "standing").first()
    outcome = {
        "round": training.pk,
        "state": training.state,
        "reason": training.reason,
        "version": version.number if version else None,
    }
    if store_id is None:
        return outcome
    update = StoreUpdate.objects.filter(round=training.pk, store=store_id).first()
    if update is None:
        return outcome | {"store": store_id, "outcome": "not_invited", "store_reason": "no_history"}
    return outcome | {
        "store": store_id,
        "outcome": update.state,
        "store_reason": update.reason,
    }
