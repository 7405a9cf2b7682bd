"""A backend of Django's tasks framework whose every task is a run of the ledger.

``TASKS = {"default": {"BACKEND": "neural.djangotasks.backend.LedgerBackend"}}``. The framework is
Django 6's ``django.tasks`` or, on Django 5.2, its backport ``django-tasks``. A project that does
not name this backend needs neither. What the backend guarantees: docs/reference/django-tasks.md.
"""

from neural.djangotasks import registry


def connect() -> None:
    """Register the Celery tasks of those that were decorated before the models were loaded."""
    for task in registry.every():
        from neural.djangotasks.runs import register  # needs the framework

        register(task)
