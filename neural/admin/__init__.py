"""The ledger's pages in the Django admin. They are registered on the default site;
``register(site)`` registers them on another one.

The admin is Django's own: there is no theme, only one small style sheet for our pages. History is
read-only, and a user who is limited to some stores sees and reaches only the rows of these stores.
"""

from django.apps import apps

from neural.admin.audit import entries
from neural.admin.audit.recording import audited
from neural.admin.audit.titles import register_action_title
from neural.admin.bulk import actions as bulk_actions
from neural.admin.pages import register
from neural.admin.records import batches, events, refused_events, runs, stores, users, workers

if apps.is_installed("django_celery_beat"):
    from neural.admin.records import schedules  # noqa: F401  (guards its actions)
if apps.is_installed("django_celery_results"):
    from neural.admin.records import results  # noqa: F401  (guards them)

__all__ = [
    "audited",
    "batches",
    "bulk_actions",
    "entries",
    "events",
    "refused_events",
    "register",
    "register_action_title",
    "runs",
    "stores",
    "users",
    "workers",
]
