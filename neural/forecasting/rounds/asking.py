"""The tasks of training by name."""

from collections.abc import Mapping
from typing import Any

from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE

ROUND_TASK = "neural.tasks.run_federated_round"
TRAIN_TASK = "neural.tasks.train_federated_model"
ANSWER_TASK = "neural.tasks.answer_training_exchange"
ADVANCE_TASK = "neural.tasks.advance_training_round"
FORECAST_TASK = "neural.tasks.make_forecasts"


LOW: Mapping[str, Any] = {"queue": LOW_PRIORITY_QUEUE, "priority": LOW_PRIORITY}
