"""The models, one story a file."""

from neural.models.attempt import TaskTry, TryOutcome
from neural.models.event import NeuralEvent
from neural.models.refused_event import Door, RefusalState, RefusedEvent
from neural.models.run import RunState, TaskRun
from neural.models.store import Store
from neural.models.worker import WorkerProcess

__all__ = [
    "Door",
    "NeuralEvent",
    "RefusalState",
    "RefusedEvent",
    "RunState",
    "Store",
    "TaskRun",
    "TaskTry",
    "TryOutcome",
    "WorkerProcess",
]
