"""Runs: their tables, finding them, acting on one or many, and their pages.

``neural.runs.RunQuery`` says which runs are meant, ``neural.runs.selecting.select`` reads them for
a user, and ``neural.runs.begin_bulk_action`` does something to all of them. The admin uses it, and
so do commands, alerts, figures and apps, which add filters and finders.
"""

from typing import TYPE_CHECKING, Any

from neural.kit.optional import look_up

if TYPE_CHECKING:
    from neural.runs.bulk.beginning import begin_bulk_action
    from neural.runs.query import QueryRefused, RunQuery

_HOMES = {
    "QueryRefused": "neural.runs.query",
    "RunQuery": "neural.runs.query",
    "begin_bulk_action": "neural.runs.bulk.beginning",
}

__all__ = ["QueryRefused", "RunQuery", "begin_bulk_action"]


def __getattr__(name: str) -> Any:
    return look_up(__name__, _HOMES, name)
