"""The tasks of training by name, and the runs in which stores answer one exchange's question."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from neural.forecasting.models import TrainingRound
from neural.ledger.record import enqueue, enqueue_all
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.runs.models.new_run import NewRun, new_run

ROUND_TASK = "neural.tasks.run_federated_round"
TRAIN_TASK = "neural.tasks.train_federated_model"
ANSWER_TASK = "neural.tasks.answer_training_exchange"
ADVANCE_TASK = "neural.tasks.advance_training_round"
FORECAST_TASK = "neural.tasks.make_forecasts"


LOW: Mapping[str, Any] = {"queue": LOW_PRIORITY_QUEUE, "priority": LOW_PRIORITY}

JOINT_FACTOR = 2
"""The factor by which a run has more stores if they add up their answers, as long as there are runs
for two processes. Adding up is quick, and a run costs the ledger as much as many stores."""


def ask_stores(training: TrainingRound, stores: Sequence[str], *, together: bool) -> None:
    """Enqueue the runs of the round's exchange, several stores each. Call this in the transaction
    that asks the question, so that both happen or neither."""
    size = training.stores_per_run
    if together:
        size = min(size * JOINT_FACTOR, max(math.ceil(len(stores) / 2), 1))
    groups = in_groups(sorted(stores), size=size)
    enqueue_all([_answer_run(training.pk, training.exchange, each) for each in groups])


def ask_singly(round_id: int, exchange: int, stores: Sequence[str]) -> None:
    """Enqueue one run for each store, so that a store that hangs or kills its process harms no
    other."""
    for store in sorted(stores):
        enqueue(
            task=ANSWER_TASK,
            args=[],
            kwargs=_arguments(round_id, exchange, [store]),
            **LOW,
            unique_key=f"answer:{round_id}:{exchange}:{store}",
            store=store,
        )


def ask_the_rest(round_id: int, exchange: int, stores: Sequence[str]) -> None:
    """Enqueue a further run for the stores that a run had no time for."""
    enqueue_all([_answer_run(round_id, exchange, stores)])


def watch_round(training: TrainingRound, *, due_in: float) -> None:
    """Enqueue the run that enforces a round's deadlines while the round is open."""
    enqueue(
        task=ADVANCE_TASK,
        args=[],
        kwargs={"round_id": training.pk},
        **LOW,
        task_id=f"training-round-{training.pk}",
        due_in=due_in,
    )


def in_groups(stores: Sequence[str], *, size: int) -> Iterator[Sequence[str]]:
    """Split the stores into groups of at most ``size``, as equal as possible."""
    count = math.ceil(len(stores) / size)
    for place in range(count):
        yield stores[place * len(stores) // count : (place + 1) * len(stores) // count]


def _answer_run(round_id: int, exchange: int, stores: Sequence[str]) -> NewRun:
    return new_run(
        task=ANSWER_TASK,
        kwargs=_arguments(round_id, exchange, stores),
        **LOW,
        store=stores[0] if len(stores) == 1 else None,
    )


def _arguments(round_id: int, exchange: int, stores: Sequence[str]) -> Mapping[str, Any]:
    return {"round_id": round_id, "exchange": exchange, "stores": list(stores)}
