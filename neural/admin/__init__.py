"""The ledger in the Django admin, registered on the default site; ``register(site)`` does it on
another one.

It is the stock admin: no theme, one small style sheet for what is ours. Whatever is history
is read-only; a user limited to some stores sees and reaches their rows alone.
"""

from django.apps import apps

from neural.admin import events, nul, refused_events, runs, stores, workers
from neural.admin.pages import register

if apps.is_installed("django_celery_beat"):
    from neural.admin import schedules  # noqa: F401  (guards its actions)
if apps.is_installed("django_celery_results"):
    nul.guard_results()

__all__ = ["events", "refused_events", "register", "runs", "stores", "workers"]
