"""Finding runs, and acting on many of them: what pages of runs, bulk actions and exports share.

``neural.runs.RunQuery`` says which runs are meant, ``neural.runs.selecting.select`` reads them for
a user, and ``neural.runs.begin_bulk_action`` does something to all of them. The admin uses it, and
so do commands, alerts, figures and apps, which add filters and finders.
"""

from neural.runs.bulk.beginning import begin as begin_bulk_action
from neural.runs.query import QueryRefused, RunQuery

__all__ = ["QueryRefused", "RunQuery", "begin_bulk_action"]
