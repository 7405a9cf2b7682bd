"""Zhilian Neural: a durable event backbone for restaurant chains.

The public calls are reached as ``neural.submit(...)``, ``neural.submit_many(...)``
and ``@neural.handles(...)``; docs/api.md lists them all. They are loaded on first use because
models cannot be imported before Django has loaded its applications.
"""

from typing import TYPE_CHECKING, Any

from neural.lazy import look_up

if TYPE_CHECKING:
    from neural.errors import NeuralError, PermanentError
    from neural.events.answers import EventRefused, Problem, Submission, Verdict
    from neural.events.asubmit import asubmit, asubmit_many
    from neural.events.changes import mark_for_search
    from neural.events.registry import Received, handles
    from neural.events.submit import submit, submit_many
    from neural.events.types import EventType, Payload, register_event_type
    from neural.runs.app import LedgerCelery
    from neural.runs.enqueue import TaskIdTaken
    from neural.runs.history import Try, tries_of
    from neural.runs.options import OptionNotKept
    from neural.runs.results import NotStorable
    from neural.runs.retry import RetryPolicy
    from neural.runs.settling import Outcome
    from neural.runs.task import LedgerTask
    from neural.runs.testing import run_due
    from neural.runs.work import Postponed, current_run, so_far
    from neural.vectors.builtin.rows_of_stores import Rows
    from neural.vectors.collections import (
        CollectionUnknown,
        SearchCollection,
        Source,
        register_collection,
    )
    from neural.vectors.documents import Document, RecordRefused
    from neural.vectors.hits import Found, Hit, Why
    from neural.vectors.search import search
    from neural.vectors.stores.base import StoreUnavailable, TableMissing
    from neural.vectors.testing import temporary_search_index

_HOMES = {
    "CollectionUnknown": "neural.vectors.collections",
    "Document": "neural.vectors.documents",
    "EventRefused": "neural.events.answers",
    "EventType": "neural.events.types",
    "Found": "neural.vectors.hits",
    "Hit": "neural.vectors.hits",
    "LedgerCelery": "neural.runs.app",
    "LedgerTask": "neural.runs.task",
    "NeuralError": "neural.errors",
    "NotStorable": "neural.runs.results",
    "OptionNotKept": "neural.runs.options",
    "Outcome": "neural.runs.settling",
    "Payload": "neural.events.types",
    "PermanentError": "neural.errors",
    "Postponed": "neural.runs.work",
    "Problem": "neural.events.answers",
    "Received": "neural.events.registry",
    "RecordRefused": "neural.vectors.documents",
    "RetryPolicy": "neural.runs.retry",
    "Rows": "neural.vectors.builtin.rows_of_stores",
    "SearchCollection": "neural.vectors.collections",
    "Source": "neural.vectors.collections",
    "StoreUnavailable": "neural.vectors.stores.base",
    "Submission": "neural.events.answers",
    "TableMissing": "neural.vectors.stores.base",
    "TaskIdTaken": "neural.runs.enqueue",
    "Try": "neural.runs.history",
    "Verdict": "neural.events.answers",
    "Why": "neural.vectors.hits",
    "asubmit": "neural.events.asubmit",
    "asubmit_many": "neural.events.asubmit",
    "current_run": "neural.runs.work",
    "handles": "neural.events.registry",
    "mark_for_search": "neural.events.changes",
    "register_collection": "neural.vectors.collections",
    "register_event_type": "neural.events.types",
    "run_due": "neural.runs.testing",
    "search": "neural.vectors.search",
    "so_far": "neural.runs.work",
    "submit": "neural.events.submit",
    "submit_many": "neural.events.submit",
    "temporary_search_index": "neural.vectors.testing",
    "tries_of": "neural.runs.history",
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
    "Postponed",
    "so_far",
    "current_run",
    "LedgerTask",
    "OptionNotKept",
    "TaskIdTaken",
    "NotStorable",
    "Try",
    "tries_of",
    "search",
    "Found",
    "Hit",
    "Why",
    "mark_for_search",
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
    return look_up(__name__, _HOMES, name)
