"""System checks: what would break the ledger's promises is said at start, with the remedy."""

from collections.abc import Callable, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from pydantic import ValidationError

from neural.conf import owners, readers
from neural.optional import app_of


@register()
def check_settings(**_: Any) -> list[CheckMessage]:
    """``NEURAL`` in the settings is well-formed, whichever app a part of it belongs to."""
    return [
        Error(
            f"settings.NEURAL[{'.'.join(map(str, error['loc']))!r}]: {error['msg']}",
            hint="The settings and their meaning are in docs/settings.md.",
            id="neural.E001",
        )
        for read in readers()
        for error in _refused(read)
    ]


def _refused(read: Callable[[], object]) -> Sequence[Any]:
    try:
        read()
    except ValidationError as invalid:
        return invalid.errors()
    return []


@register()
def check_settings_of_absent_apps(**_: Any) -> list[CheckMessage]:
    """No setting of an app that is not installed is taken for one that does something."""
    given = getattr(settings, "NEURAL", {})
    apps_of = {name: app_of(part.__module__) for name, part in owners().items() if name in given}
    return [
        checks.Warning(
            f"settings.NEURAL[{name!r}] does nothing: the app {app} is not installed",
            hint=f"Add {app!r} to INSTALLED_APPS, or take the setting out.",
            id="neural.W003",
        )
        for name, app in apps_of.items()
        if app is not None and not apps.is_installed(app)
    ]


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
