"""The models of the core: stores, events, runs, attempts, workers, refused events, pauses of
queues, policies of schedules; the audit log, bulk actions, edited runs, saved views and shipped
defaults; batches and those of their members that are no runs."""

from neural.audit.models import (
    AuditedRow,
    AuditEntry,
    AuditLogIsAppendOnly,
    AuditOutcome,
    AuditSource,
)
from neural.batches.models import (
    AwaitedMember,
    AwaitedState,
    Batch,
    BatchKind,
    BatchOutcome,
    BatchState,
)
from neural.events.models import EntryPoint, NeuralEvent, RefusalState, RefusedEvent
from neural.models.store import Store
from neural.queues.models import QueuePause
from neural.runs.models.attempt import AttemptOutcome, TaskAttempt
from neural.runs.models.bulk_action import (
    BulkAction,
    BulkActionItem,
    BulkActionState,
    BulkOutcome,
    BulkVerb,
)
from neural.runs.models.kept import RunEdit, SavedView
from neural.runs.models.run import RunState, TaskRun
from neural.schedules.models import Misfire, Overlap, SchedulePolicy, ShippedDefault, SkipReason
from neural.worker.models import ProcessKind, WorkerProcess

__all__ = [
    "AttemptOutcome",
    "AuditEntry",
    "AuditLogIsAppendOnly",
    "AuditOutcome",
    "AuditSource",
    "AuditedRow",
    "AwaitedMember",
    "AwaitedState",
    "Batch",
    "BatchKind",
    "BatchOutcome",
    "BatchState",
    "BulkAction",
    "BulkActionItem",
    "BulkActionState",
    "BulkOutcome",
    "BulkVerb",
    "EntryPoint",
    "Misfire",
    "NeuralEvent",
    "Overlap",
    "ProcessKind",
    "QueuePause",
    "RefusalState",
    "RefusedEvent",
    "RunEdit",
    "RunState",
    "SavedView",
    "SchedulePolicy",
    "ShippedDefault",
    "SkipReason",
    "Store",
    "TaskAttempt",
    "TaskRun",
    "WorkerProcess",
]
