"""The admin pages of monitoring's rows; importing it registers them and the console's pages.

:class:`~neural.monitoring.admin.errors.ErrorGroupAdmin` shows error groups,
:class:`~neural.monitoring.admin.alerts.AlertAdmin` alerts, and
:class:`~neural.monitoring.admin.retention.RetentionAdmin` what is deleted when. Django's admin
loads it.
"""

from django.apps import apps

from neural.monitoring.admin import (
    alert_messages,
    alert_rules,
    alerts,
    channels,
    errors,
    retention,
)
from neural.monitoring.console import home, queues, workers

if apps.is_installed("django_celery_beat"):
    from neural.monitoring.console import schedules  # noqa: F401  (registers its page)

__all__ = [
    "alert_messages",
    "alert_rules",
    "alerts",
    "channels",
    "errors",
    "home",
    "queues",
    "retention",
    "workers",
]
