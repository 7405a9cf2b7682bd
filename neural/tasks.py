"""The Celery tasks: names, arguments and one domain call each."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from celery import shared_task

from neural.analysis.analysing import ANALYSIS_TASK, analyse
from neural.events.execution import EventTask
from neural.events.recording import EVENT_TASK
from neural.events.submit import submit
from neural.federated import forecasting
from neural.federated.rounds.answering import answer_exchange
from neural.federated.rounds.names import (
    ADVANCE_TASK,
    ANSWER_TASK,
    FORECAST_TASK,
    ROUND_TASK,
    TRAIN_TASK,
)
from neural.federated.rounds.opening import run_round
from neural.federated.rounds.receipts import train
from neural.federated.rounds.watching import watch
from neural.models import Door
from neural.models.plan import DEFAULT_MODEL_TYPE
from neural.runs import error_callbacks
from neural.runs.clock import database_clock
from neural.runs.enqueue import BY_MESSAGE
from neural.runs.following import ERROR_CALLBACK_TASK, SEND_TASK, send
from neural.runs.retry import RetryPolicy
from neural.runs.routing import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.runs.task import LedgerTask
from neural.vectors import laps, rebuilding, supplying, tending
from neural.vectors.names import (
    INDEX_TASK,
    ORDERS_TASK,
    REBUILD_TASK,
    SUPPLY_TASK,
    TEND_TASK,
)


@shared_task(base=EventTask, name=EVENT_TASK)
def process_neural_event(
    event_id: str,
    event_type: str,
    event_source: str,
    store_id: str,
    data: Mapping[str, Any],
    priority: int | None = None,
) -> str:
    """Submit an event that came as a message; returns 'new' or 'duplicate'.

    The runs of recorded events are messages of this task too; those call the event's
    handler instead of this body.
    """
    answer = submit(
        type=event_type,
        store=store_id,
        source=event_source,
        event_id=event_id,
        payload=data,
        priority=priority,
        requested_by=BY_MESSAGE,
        door=Door.MESSAGE,
    )
    answer.or_raise()
    return str(answer.verdict)


@shared_task(
    base=LedgerTask, name=ANALYSIS_TASK, run_queue=LOW_PRIORITY_QUEUE, run_priority=LOW_PRIORITY
)
def analyse_demand(store_id: str | None = None, since: str | None = None) -> dict[str, Any]:
    """Bring the summaries of demand up to date; returns what was done.

    Without ``store_id`` it asks for a run for each store. ``since`` is a day in ISO 8601:
    only its week and later ones are looked at.
    """
    return analyse(store_id=store_id, since=since, now=database_clock())


# An exchange waits for two minutes: a run of it that failed must come again soon.
_SOON = RetryPolicy(max_retries=5, base_seconds=2, cap_seconds=15)
_LOW: Mapping[str, Any] = {"run_queue": LOW_PRIORITY_QUEUE, "run_priority": LOW_PRIORITY}


@shared_task(base=LedgerTask, name=ROUND_TASK, **_LOW)
def run_federated_round(model_type: str = DEFAULT_MODEL_TYPE) -> dict[str, Any]:
    """Open a round of training across stores, unless one is open; returns which."""
    return run_round(name=model_type, now=database_clock())


@shared_task(base=LedgerTask, name=TRAIN_TASK, **_LOW)
def train_federated_model(
    store_id: str | None = None, model_type: str = DEFAULT_MODEL_TYPE
) -> dict[str, Any]:
    """Train a model across stores; returns the receipt of the round, and of this store.

    It opens a round that invites every store with enough history, or joins the open one, and
    ends when the round has closed. Meanwhile it keeps no worker.
    """
    return train(store_id=store_id, model_type=model_type, now=database_clock())


# A store that hangs is not to keep a worker for longer than its exchange waits.
@shared_task(
    base=LedgerTask,
    name=ANSWER_TASK,
    retry_policy=_SOON,
    soft_time_limit=60,
    time_limit=90,
    **_LOW,
)
def answer_training_exchange(round_id: int, exchange: int, stores: Sequence[str]) -> dict[str, Any]:
    """Let stores answer one question of a round, each from its own rows; returns counts."""
    return answer_exchange(
        round_id=round_id, exchange=exchange, stores=stores, now=database_clock()
    )


@shared_task(base=LedgerTask, name=ADVANCE_TASK, retry_policy=_SOON, **_LOW)
def advance_training_round(round_id: int) -> dict[str, Any]:
    """See to a round's deadlines for as long as it is open; returns how it ended."""
    return watch(round_id=round_id, now=database_clock())


@shared_task(base=LedgerTask, name=FORECAST_TASK, **_LOW)
def make_forecasts(
    store_id: str | None = None,
    stores: Sequence[str] | None = None,
    model_type: str = DEFAULT_MODEL_TYPE,
    as_of: str | None = None,
) -> dict[str, Any]:
    """Forecast the next 14 days of some stores, or ask for the runs of all of them.

    ``as_of`` is a day in ISO 8601: as on the morning of that day.
    """
    return forecasting.make_forecasts(
        store_id=store_id,
        stores=stores,
        name=model_type,
        now=database_clock(),
        as_of=dt.date.fromisoformat(as_of) if as_of else None,
    )


@shared_task(base=LedgerTask, name=SEND_TASK)
def send_signature(
    following: Mapping[str, Any], args: Sequence[Any], options: Mapping[str, Any]
) -> str:
    """Send the message of a plain Celery task that follows a ledger task; returns its id."""
    return send(following, args, options)


@shared_task(base=LedgerTask, name=ERROR_CALLBACK_TASK)
def call_error_callback(callback: Mapping[str, Any], task_id: str) -> None:
    """Call an error callback of three arguments for the run that is dead."""
    error_callbacks.call(callback, task_id)


# Marks and the database keep what is to be indexed: a store or a model that is away is waited
# for, however long.
_PATIENT = RetryPolicy(max_retries=None, base_seconds=2, cap_seconds=60)


@shared_task(base=LedgerTask, name=INDEX_TASK, retry_policy=_PATIENT)
def index_marked(lane: int = 0, history: bool = False) -> dict[str, Any]:
    """Bring the search indexes up to date with what waits in a lane; returns counts."""
    return laps.index_marked(lane=lane, history=history)


@shared_task(base=LedgerTask, name=SUPPLY_TASK, retry_policy=_PATIENT)
def index_to_vector_db(collection_name: str, data: Any) -> dict[str, Any]:
    """Make a record, or each of a list of records, searchable; returns how many and their ids.

    A record is an object with an ``id`` and, where it belongs to a store, a ``store_id``.
    """
    return supplying.index_to_vector_db(collection=collection_name, data=data)


@shared_task(base=LedgerTask, name=ORDERS_TASK, retry_policy=_PATIENT, **_LOW)
def batch_index_orders(orders: Any) -> dict[str, Any]:
    """Make orders searchable, each for itself; returns how many, and why others are not."""
    return supplying.batch_index_orders(orders=orders)


@shared_task(base=LedgerTask, name=REBUILD_TASK, retry_policy=_PATIENT, **_LOW)
def rebuild_search_index(index_id: int) -> dict[str, Any]:
    """Build an index from the database, slice by slice, then switch to it."""
    return rebuilding.rebuild(index_id=index_id)


@shared_task(base=LedgerTask, name=TEND_TASK, **_LOW)
def tend_search_indexes(grown_only: bool = False) -> dict[str, Any]:
    """Compact the search indexes and drop replaced ones; returns rows by collection."""
    return tending.tend_search_indexes(grown_only=grown_only)
