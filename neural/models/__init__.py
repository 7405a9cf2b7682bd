"""The models of the core: stores, events, runs, attempts, workers, refused events, pauses of
queues, policies of schedules; the audit log, bulk actions, edited runs, saved views and shipped
defaults."""

from neural.models.append_only import AuditLogIsAppendOnly
from neural.models.attempt import AttemptOutcome, TaskAttempt
from neural.models.audit_entry import AuditedRow, AuditEntry, AuditOutcome, AuditSource
from neural.models.bulk_action import BulkAction, BulkActionState, BulkVerb
from neural.models.bulk_item import BulkActionItem, BulkOutcome
from neural.models.event import NeuralEvent
from neural.models.queue_pause import QueuePause
from neural.models.refused_event import EntryPoint, RefusalState, RefusedEvent
from neural.models.run import RunState, TaskRun
from neural.models.run_edit import RunEdit
from neural.models.saved_view import SavedView
from neural.models.schedule_policy import Misfire, Overlap, SchedulePolicy, SkipReason
from neural.models.shipped_default import ShippedDefault
from neural.models.store import Store
from neural.models.worker import ProcessKind, WorkerProcess

__all__ = [
    "AttemptOutcome",
    "AuditEntry",
    "AuditLogIsAppendOnly",
    "AuditOutcome",
    "AuditSource",
    "AuditedRow",
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
