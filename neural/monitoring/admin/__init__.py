"""The admin pages of monitoring's rows, and the console's pages."""

from django.apps import apps

from neural.monitoring.console import home, queues, tabs, workers

if apps.is_installed("django_celery_beat"):
    from neural.monitoring.console import schedules  # noqa: F401  (registers its page)

__all__ = ["home", "queues", "tabs", "workers"]
