"""What the pages of Neural in the Django admin are made of. They are registered on the default
site; ``register(site)`` registers them on another one.

The admin is Django's own: there is no theme, only one small style sheet for our pages. History is
read-only, and a user who is limited to some stores sees and reaches only the rows of these stores.
The pages themselves are in ``neural.runs.admin`` and other rooms.
"""

from importlib import import_module

from django.apps import apps

from neural.admin.pages import register
from neural.admin.recording import audited
from neural.audit.titles import register_action_title

__all__ = ["audited", "register", "register_action_title"]

PAGES = {
    "neural.admin.stores": "neural",
    "neural.audit.admin": "neural",
    "neural.batches.admin": "neural",
    "neural.celeryapp.admin": "django_celery_results",
    "neural.events.admin": "neural",
    "neural.groups.admin": "neural",
    "neural.runs.admin": "neural",
    "neural.schedules.admin": "django_celery_beat",
    "neural.worker.admin": "neural",
}
"""The modules with the pages of the core, each with the app that it needs. By name: pages are made
of this room, so an import at the top would be a circle."""

for _module, _app in PAGES.items():
    if apps.is_installed(_app):
        import_module(_module)
