"""Finding runs, and acting on many of them: what pages of runs, bulk actions and exports share.

``neural.runs.RunQuery`` says which runs are meant, and ``neural.runs.begin_bulk_action`` does
something to all of them.
"""

from neural.runs.bulk.beginning import begin as begin_bulk_action
from neural.runs.query import QueryRefused, RunQuery

__all__ = ["QueryRefused", "RunQuery", "begin_bulk_action"]
