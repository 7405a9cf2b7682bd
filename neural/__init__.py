"""Zhilian Neural: a durable event backbone for restaurant chains.

Public names are used as ``neural.submit(...)``, ``neural.submit_many(...)`` and
``@neural.handles(...)``; docs/reference/api.md lists them all. Each name is loaded on first
use, because models cannot be imported before Django has loaded its applications.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neural.kit.optional import look_up

if TYPE_CHECKING:
    from neural.batches.handle import Batch, batch, current_batch
    from neural.batches.recording import BatchClosed
    from neural.celeryapp.app import LedgerCelery
    from neural.celeryapp.call import OptionNotKept
    from neural.celeryapp.task import LedgerTask
    from neural.events.answers import EventRefused, Problem, Submission, Verdict
    from neural.events.changes import reindex
    from neural.events.registry import Received, handles
    from neural.events.schema import Payload
    from neural.events.submit import asubmit, asubmit_many, submit, submit_many
    from neural.events.types import EventType, register_event_type
    from neural.kit.errors import NeuralError, PermanentError
    from neural.kit.stored_json import NotStorable
    from neural.ledger.outcome import Outcome
    from neural.ledger.record import TaskIdTaken
    from neural.ledger.retry import RetryPolicy
    from neural.ledger.work import Snooze, checkpoint, current_run
    from neural.retrieval.collections.documents import Document, RecordRefused
    from neural.retrieval.collections.registry import (
        CollectionUnknown,
        Rows,
        SearchCollection,
        Source,
        register_collection,
    )
    from neural.retrieval.query.hits import Found, Hit, Why
    from neural.retrieval.query.searching import search
    from neural.retrieval.stores.base import StoreUnavailable, TableMissing
    from neural.retrieval.testing import temporary_search_index
    from neural.runs.models.attempt import Attempt, attempts_of
    from neural.worker.in_process import run_due

_HOMES = {
    "Batch": "neural.batches.handle",
    "BatchClosed": "neural.batches.recording",
    "CollectionUnknown": "neural.retrieval.collections.registry",
    "Document": "neural.retrieval.collections.documents",
    "EventRefused": "neural.events.answers",
    "EventType": "neural.events.types",
    "Found": "neural.retrieval.query.hits",
    "Hit": "neural.retrieval.query.hits",
    "LedgerCelery": "neural.celeryapp.app",
    "LedgerTask": "neural.celeryapp.task",
    "NeuralError": "neural.kit.errors",
    "NotStorable": "neural.kit.stored_json",
    "OptionNotKept": "neural.celeryapp.call",
    "Outcome": "neural.ledger.outcome",
    "Payload": "neural.events.schema",
    "PermanentError": "neural.kit.errors",
    "Snooze": "neural.ledger.work",
    "Problem": "neural.events.answers",
    "Received": "neural.events.registry",
    "RecordRefused": "neural.retrieval.collections.documents",
    "RetryPolicy": "neural.ledger.retry",
    "Rows": "neural.retrieval.collections.registry",
    "SearchCollection": "neural.retrieval.collections.registry",
    "Source": "neural.retrieval.collections.registry",
    "StoreUnavailable": "neural.retrieval.stores.base",
    "Submission": "neural.events.answers",
    "TableMissing": "neural.retrieval.stores.base",
    "TaskIdTaken": "neural.ledger.record",
    "Attempt": "neural.runs.models.attempt",
    "Verdict": "neural.events.answers",
    "Why": "neural.retrieval.query.hits",
    "asubmit": "neural.events.submit",
    "asubmit_many": "neural.events.submit",
    "batch": "neural.batches.handle",
    "current_batch": "neural.batches.handle",
    "current_run": "neural.ledger.work",
    "handles": "neural.events.registry",
    "reindex": "neural.events.changes",
    "register_collection": "neural.retrieval.collections.registry",
    "register_event_type": "neural.events.types",
    "run_due": "neural.worker.in_process",
    "search": "neural.retrieval.query.searching",
    "checkpoint": "neural.ledger.work",
    "submit": "neural.events.submit",
    "submit_many": "neural.events.submit",
    "temporary_search_index": "neural.retrieval.testing",
    "attempts_of": "neural.runs.models.attempt",
}

__all__ = [  # noqa: RUF022  (in the order in which a newcomer meets them)
    "submit",
    "submit_many",
    "asubmit",
    "asubmit_many",
    "Submission",
    "Verdict",
    "Problem",
    "EventRefused",
    "handles",
    "Received",
    "EventType",
    "Payload",
    "register_event_type",
    "RetryPolicy",
    "NeuralError",
    "PermanentError",
    "Snooze",
    "checkpoint",
    "current_run",
    "batch",
    "Batch",
    "BatchClosed",
    "current_batch",
    "LedgerTask",
    "OptionNotKept",
    "TaskIdTaken",
    "NotStorable",
    "Attempt",
    "attempts_of",
    "search",
    "Found",
    "Hit",
    "Why",
    "reindex",
    "SearchCollection",
    "Document",
    "Source",
    "Rows",
    "register_collection",
    "CollectionUnknown",
    "RecordRefused",
    "StoreUnavailable",
    "TableMissing",
    "LedgerCelery",
    "run_due",
    "temporary_search_index",
    "Outcome",
]


def __getattr__(name: str) -> Any:
    if name == "testing":  # a module, which production does not load
        return import_module("neural.testing")
    return look_up(__name__, _HOMES, name)
