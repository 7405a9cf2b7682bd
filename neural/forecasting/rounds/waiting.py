"""Runs that wait for a round without occupying a worker: they snooze.

One of them enforces the round's deadlines. The others return the round's outcome to whoever asked
for the training.
"""

import datetime as dt
from typing import Any

from neural.forecasting.models import ModelVersion, StoreUpdate, TrainingRound
from neural.forecasting.rounds.advancing import advance, half_time
from neural.forecasting.rounds.exchange import light_round
from neural.forecasting.rounds.gathering import round_progress
from neural.forecasting.rounds.opening import open_round
from neural.ledger.work import Snooze, checkpoint, current_run
from neural.models import Store
from neural.models.store import StoreUnknown

LEAST_SECONDS = 1.0
MARGIN_SECONDS = 0.2
WAIT_SECONDS = 30.0
"""A run that waits for its round checks again after this time, or when the round has closed."""


def watch(*, round_id: int, now: dt.datetime) -> dict[str, Any]:
    """Advance the round if a step is due; returns how it ended, or raises :class:`Snooze` while it
    is open. Called outside of a run, it returns the open round's state instead."""
    training = advance(round_id=round_id, now=now)
    if training.is_open and current_run() is not None:
        come_to = {"round": training.pk, "exchange": training.exchange}
        raise Snooze(_seconds_until_due(training, now), checkpoint=come_to)
    return {"round": training.pk, "state": training.state, "reason": training.reason}


def _seconds_until_due(training: TrainingRound, now: dt.datetime) -> float:
    moments = [training.closes_at, training.exchange_closes_at, half_time(training)]
    ahead = [(moment - now).total_seconds() for moment in moments if moment and moment > now]
    return max(min(ahead, default=0.0) + MARGIN_SECONDS, LEAST_SECONDS)


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
        raise Snooze(WAIT_SECONDS, checkpoint=round_progress(training, now=now).as_json())
    training.raise_if_failed()
    return receipt(training, store_id)


def _round(model_type: str, now: dt.datetime) -> TrainingRound | None:
    waited_for = checkpoint()
    if waited_for:
        return light_round(waited_for["round"])
    run = current_run()
    requested_by = (run.requested_by if run else "") or "train_federated_model"
    return open_round(name=model_type, now=now, requested_by=requested_by).round


def receipt(training: TrainingRound, store_id: str | None) -> dict[str, Any]:
    """How a round ended, for the chain or for one store. It contains codes, no rows."""
    version = ModelVersion.objects.filter(round=training.pk).only("number", "standing").first()
    told = {
        "round": training.pk,
        "state": training.state,
        "reason": training.reason,
        "version": version.number if version else None,
    }
    if store_id is None:
        return told
    update = StoreUpdate.objects.filter(round=training.pk, store=store_id).first()
    if update is None:
        return told | {"store": store_id, "outcome": "not_invited", "store_reason": "no_history"}
    return told | {
        "store": store_id,
        "outcome": update.state,
        "store_reason": update.reason,
    }
