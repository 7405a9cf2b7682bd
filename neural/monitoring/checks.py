"""System checks of monitoring."""

from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Error, register

from neural.monitoring.conf import conf


@register()
def check_alert_queue(**_: Any) -> list[CheckMessage]:
    """The queue of messages about alerts exists."""
    queue = conf().alert_queue
    if queue in current_app.amqp.queues:
        return []
    return [
        Error(
            f"NEURAL alert_queue names the queue {queue!r}, which CELERY_TASK_QUEUES does not "
            "have.",
            hint="Name a queue that a worker reads, or leave the setting out.",
            id="neural_monitoring.E001",
        )
    ]
