"""The ledger in the Django admin, registered on the default site; ``register(site)`` does it on
another one.

It is the stock admin: no theme, one small style sheet for what is ours. Whatever is history
is read-only; a user limited to some stores sees and reaches their rows alone.
"""

from django.apps import apps

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
from neural.admin.pages import register

if apps.is_installed("django_celery_beat"):
    from neural.admin import schedules  # noqa: F401  (guards its actions)
if apps.is_installed("django_celery_results"):
    from neural.admin import results  # noqa: F401  (guards its pages)
if apps.is_installed("neural.logins"):
    from neural.admin import logins  # noqa: F401

__all__ = [
    "analysis",
    "events",
    "forecasts",
    "orders",
    "plans",
    "readmodels",
    "refused_events",
    "register",
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
