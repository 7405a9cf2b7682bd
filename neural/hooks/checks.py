"""System checks of webhooks."""

from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from neural.hooks.conf import conf
from neural.outbound.conf import conf as outbound_conf


@register()
def check_queue(**_: Any) -> list[CheckMessage]:
    """The queue of deliveries exists."""
    queue = conf().hook_queue
    if queue in current_app.amqp.queues:
        return []
    return [
        Error(
            f"NEURAL hook_queue names the queue {queue!r}, which CELERY_TASK_QUEUES does not have.",
            hint="Name a queue that a worker reads, or leave the setting out.",
            id="neural_hooks.E001",
        )
    ]


@register(Tags.security, deploy=True)
def check_private_addresses(**_: Any) -> list[CheckMessage]:
    """Deliveries may not go into the own network."""
    if not outbound_conf().outbound_private_addresses:
        return []
    return [
        CheckWarning(
            "NEURAL outbound_private_addresses is on: who may change a subscription can have "
            "requests sent to every machine that this one reaches.",
            hint="Switch it off, unless receivers are in your own network.",
            id="neural_hooks.W002",
        )
    ]
