"""System checks of monitoring."""

from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from neural.kit.sites import address_if_there
from neural.monitoring.conf import conf


@register("neural")
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


@register(Tags.urls, deploy=True)
def check_alert_links(**_: Any) -> list[CheckMessage]:
    """Links in messages about alerts lead to the admin."""
    path = conf().alert_admin_path
    admin = address_if_there("index") if conf().alert_public_url else ""
    if not admin or path.strip("/") == admin.strip("/"):
        return []
    return [
        CheckWarning(
            f"NEURAL alert_admin_path is {path!r}, and the admin is at {admin!r}: links in "
            "messages about alerts lead nowhere.",
            hint=f"Set it to {admin!r}.",
            id="neural_monitoring.W001",
        )
    ]
