"""The models of the core: stores, events, runs, attempts, workers, refused events, pauses of
queues, policies of schedules; the audit log, bulk actions, edited runs, saved views and shipped
defaults; batches and those of their members that are no runs."""

from neural.models.attempt import AttemptOutcome, TaskAttempt
from neural.models.audit_entry import (
    AuditedRow,
    AuditEntry,
    AuditLogIsAppendOnly,
    AuditOutcome,
    AuditSource,
)
from neural.models.batch import (
    AwaitedMember,
    AwaitedState,
    Batch,
    BatchKind,
    BatchOutcome,
    BatchState,
)
from neural.models.bulk_action import (
    BulkAction,
    BulkActionItem,
    BulkActionState,
    BulkOutcome,
    BulkVerb,
)
from neural.models.event import EntryPoint, NeuralEvent, RefusalState, RefusedEvent
from neural.models.run import RunState, TaskRun
from neural.models.schedule_policy import (
    Misfire,
    Overlap,
    QueuePause,
    RunEdit,
    SavedView,
    SchedulePolicy,
    ShippedDefault,
    SkipReason,
)
from neural.models.store import Store
from neural.models.worker import ProcessKind, WorkerProcess

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
