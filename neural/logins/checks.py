"""System check: whether login throttling is installed where it works."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, register

BACKEND = "neural.logins.backends.ThrottledLogins"
MIDDLEWARE = "neural.logins.middleware.LoginThrottle"


@register("neural")
def check_place(**_: Any) -> list[CheckMessage]:
    """The backend comes first, and the middleware is installed."""
    if settings.AUTHENTICATION_BACKENDS[:1] == [BACKEND] and MIDDLEWARE in settings.MIDDLEWARE:
        return []
    return [
        checks.Warning(
            "neural.logins is installed and throttles nothing",
            hint=f"Put {BACKEND} first in AUTHENTICATION_BACKENDS and {MIDDLEWARE} into "
            "MIDDLEWARE, after LocaleMiddleware.",
            id="neural_logins.W001",
        )
    ]
