"""The models of the core: stores, events, runs, attempts, workers, refused events."""

from neural.models.attempt import AttemptOutcome, TaskAttempt
from neural.models.event import NeuralEvent
from neural.models.refused_event import EntryPoint, RefusalState, RefusedEvent
from neural.models.run import RunState, TaskRun
from neural.models.store import Store
from neural.models.worker import WorkerProcess

__all__ = [
    "AttemptOutcome",
    "EntryPoint",
    "NeuralEvent",
    "RefusalState",
    "RefusedEvent",
    "RunState",
    "Store",
    "TaskAttempt",
    "TaskRun",
    "WorkerProcess",
]
