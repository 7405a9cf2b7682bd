"""The models of the core: stores, events, runs, attempts, workers, refused events, pauses of queues
and policies of schedules."""

from neural.models.attempt import AttemptOutcome, TaskAttempt
from neural.models.event import NeuralEvent
from neural.models.queue_pause import QueuePause
from neural.models.refused_event import EntryPoint, RefusalState, RefusedEvent
from neural.models.run import RunState, TaskRun
from neural.models.schedule_policy import Misfire, Overlap, SchedulePolicy, SkipReason
from neural.models.store import Store
from neural.models.worker import ProcessKind, WorkerProcess

__all__ = [
    "AttemptOutcome",
    "EntryPoint",
    "Misfire",
    "NeuralEvent",
    "Overlap",
    "ProcessKind",
    "QueuePause",
    "RefusalState",
    "RefusedEvent",
    "RunState",
    "SchedulePolicy",
    "SkipReason",
    "Store",
    "TaskAttempt",
    "TaskRun",
    "WorkerProcess",
]
