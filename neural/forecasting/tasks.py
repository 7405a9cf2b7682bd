"""The Celery tasks of training and forecasts. Each is a name, its arguments and one domain call."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from celery import shared_task
from django.utils.translation import gettext_lazy as _

from neural.celeryapp.task import LedgerTask
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.outlook import next_days
from neural.forecasting.rounds.asking import (
    ADVANCE_TASK,
    ANSWER_TASK,
    FORECAST_TASK,
    ROUND_TASK,
    TRAIN_TASK,
)
from neural.forecasting.rounds.opening import run_round, train
from neural.forecasting.rounds.training import train_round
from neural.ledger.clock import database_clock
from neural.ledger.retry import RetryPolicy
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE

# A run goes on from its last exchange, so a failed one is retried soon.
_SOON = RetryPolicy(max_retries=5, base_seconds=2, cap_seconds=15)


_LOW: Mapping[str, Any] = {"run_queue": LOW_PRIORITY_QUEUE, "run_priority": LOW_PRIORITY}


@shared_task(base=LedgerTask, name=ROUND_TASK, title=_("Train the demand forecast"), **_LOW)
def run_federated_round(model_type: str = DEFAULT_MODEL_TYPE) -> dict[str, Any]:
    """Open a round of training across stores, or find the open one; returns which round it is."""
    return run_round(name=model_type, now=database_clock())


@shared_task(base=LedgerTask, name=TRAIN_TASK, title=_("Train a model across stores"), **_LOW)
def train_federated_model(
    store_id: str | None = None, model_type: str = DEFAULT_MODEL_TYPE
) -> dict[str, Any]:
    """Train a model across stores; returns the outcome of the round, and of this store.

    The task opens a round that invites every store with enough history, or joins the open round.
    It ends when the round has closed, and occupies no worker while it waits.
    """
    return train(store_id=store_id, model_type=model_type, now=database_clock())


# A store that hangs is left out when the first limit is reached: `training.LONGEST_SLICE_SECONDS`
# keeps others from reaching it.
@shared_task(
    base=LedgerTask,
    name=ADVANCE_TASK,
    title=_("Train the open round"),
    retry_policy=_SOON,
    soft_time_limit=1500,
    time_limit=1800,
    **_LOW,
)
def advance_training_round(round_id: int) -> dict[str, Any]:
    """Train an open round to its end; returns how it ended."""
    return train_round(round_id=round_id)


@shared_task(
    base=LedgerTask, name=ANSWER_TASK, title=_("Answer a question of a training round"), **_LOW
)
def answer_training_exchange(round_id: int, exchange: int, stores: Sequence[str]) -> dict[str, Any]:
    """Does nothing: software of the release before asks stores in runs of their own, and some may
    be left over from it. This goes with the next release."""
    return {"late": True}


@shared_task(base=LedgerTask, name=FORECAST_TASK, title=_("Make forecasts"), **_LOW)
def make_forecasts(
    store_id: str | None = None,
    stores: Sequence[str] | None = None,
    model_type: str = DEFAULT_MODEL_TYPE,
    as_of: str | None = None,
) -> dict[str, Any]:
    """Forecast the next 14 days of some stores; without stores, enqueue the runs for all of them.

    ``as_of`` is a day in ISO 8601: forecast as on the morning of that day.
    """
    return next_days.make_forecasts(
        store_id=store_id,
        stores=stores,
        name=model_type,
        now=database_clock(),
        as_of=dt.date.fromisoformat(as_of) if as_of else None,
    )
