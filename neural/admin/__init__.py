"""The ledger in the Django admin, registered on the default site.

It is the stock admin: no theme, one small style sheet for what is ours. Whatever is history
is read-only; a user limited to some stores sees and reaches their rows alone.
"""

from neural.admin import (
    analysis,
    events,
    forecasts,
    orders,
    plans,
    readmodels,
    refused_events,
    rounds,
    runs,
    search,
    search_indexes,
    search_records,
    stores,
    updates,
    versions,
    workers,
)

__all__ = [
    "analysis",
    "events",
    "forecasts",
    "orders",
    "plans",
    "readmodels",
    "refused_events",
    "rounds",
    "runs",
    "search",
    "search_indexes",
    "search_records",
    "stores",
    "updates",
    "versions",
    "workers",
]
