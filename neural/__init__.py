"""Zhilian Neural: a durable event backbone for restaurant chains.

The public calls are reached as ``neural.submit(...)``, ``neural.submit_many(...)``
and ``@neural.handles(...)``. They are loaded on first use because models cannot be
imported before Django has loaded its applications.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neural.events.marking import mark_for_search
    from neural.events.registry import Received, handles
    from neural.events.submit import submit, submit_many
    from neural.events.types import EventType, register_event_type
    from neural.runs.app import LedgerCelery
    from neural.runs.retry import RetryPolicy
    from neural.runs.task import LedgerTask
    from neural.runs.testing import run_due
    from neural.vectors.collections import SearchCollection, register_collection
    from neural.vectors.documents import Document
    from neural.vectors.search import search

_HOMES = {
    "Document": "neural.vectors.documents",
    "EventType": "neural.events.types",
    "LedgerCelery": "neural.runs.app",
    "LedgerTask": "neural.runs.task",
    "Received": "neural.events.registry",
    "RetryPolicy": "neural.runs.retry",
    "SearchCollection": "neural.vectors.collections",
    "handles": "neural.events.registry",
    "mark_for_search": "neural.events.marking",
    "register_collection": "neural.vectors.collections",
    "register_event_type": "neural.events.types",
    "run_due": "neural.runs.testing",
    "search": "neural.vectors.search",
    "submit": "neural.events.submit",
    "submit_many": "neural.events.submit",
}

__all__ = [  # noqa: RUF022  (in the order in which a newcomer meets them)
    "submit",
    "submit_many",
    "handles",
    "Received",
    "EventType",
    "register_event_type",
    "search",
    "mark_for_search",
    "SearchCollection",
    "Document",
    "register_collection",
    "LedgerCelery",
    "LedgerTask",
    "RetryPolicy",
    "run_due",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'neural' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
