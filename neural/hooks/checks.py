"""System checks of webhooks."""

from typing import Any

from celery import current_app
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from neural.events.registry import handlers_of
from neural.events.types import TYPES
from neural.hooks.conf import conf
from neural.hooks.incoming.recording import PUSHED
from neural.hooks.incoming.translating import HANDLER
from neural.kit.outbound.conf import conf as outbound_conf


@register("neural")
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


@register("neural")
def check_pushes_are_translated(**_: Any) -> list[CheckMessage]:
    """Warn if pushes are kept raw, because nobody knows their event type in time."""
    if PUSHED in TYPES and any(each.name == HANDLER for each in handlers_of(PUSHED)):
        return []
    known = "is registered after neural.hooks" if PUSHED in TYPES else "is not registered"
    return [
        CheckWarning(
            f"the event type {PUSHED!r} {known}: what platforms push is kept, but not translated",
            hint="Put 'neural.restaurant' before 'neural.hooks' in INSTALLED_APPS.",
            id="neural_hooks.W001",
        )
    ]
