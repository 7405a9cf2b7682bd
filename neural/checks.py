"""System checks: what would break the ledger's promises is said at start, with the remedy."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from pydantic import ValidationError

from neural.conf import conf


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    """``NEURAL`` in the settings is well-formed."""
    try:
        conf()
    except ValidationError as invalid:
        return [
            Error(
                f"settings.NEURAL[{'.'.join(map(str, error['loc']))!r}]: {error['msg']}",
                hint="The settings and their meaning are in neural/conf.py.",
                id="neural.E001",
            )
            for error in invalid.errors()
        ]
    return []


@register()
def check_visibility_timeout(**_: Any) -> list[CheckMessage]:
    """Redis must not hand out a message again while its task may still be running.

    RabbitMQ gives back what its worker's lost connection held, and nothing after a time.
    """
    if str(getattr(settings, "CELERY_BROKER_URL", "")).startswith("amqp"):
        return []
    limit = getattr(settings, "CELERY_TASK_TIME_LIMIT", None)
    options = getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {})
    timeout = options.get("visibility_timeout", 3600)
    if limit and timeout <= limit:
        return [
            checks.Warning(
                f"visibility_timeout ({timeout} s) is not above CELERY_TASK_TIME_LIMIT ({limit} s)",
                hint="Raise CELERY_BROKER_TRANSPORT_OPTIONS['visibility_timeout'].",
                id="neural.W001",
            )
        ]
    return []
