"""System checks of the HTTP API: what would keep it from answering, or leave an endpoint unusable.

A login that a project asks for everywhere (LoginRequiredMiddleware), CSRF tokens and
ATOMIC_REQUESTS need no check: ``neural.api.urls`` and django-ninja exempt the API's views.
"""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from neural.api.conf import conf


@register("neural")
def check_endpoints(**_: Any) -> list[CheckMessage]:
    """Check that each endpoint, also of other apps, names the scope that it requires."""
    from neural.api.openapi import closed, operations  # imports django-ninja
    from neural.api.version1 import build

    return [
        Error(
            f"no key opens {each.label}: {each.function} names no scope",
            hint="Say which scope it requires: @router.get(…, auth=KeyWith(Scope.EVENTS_READ)); or "
            "auth=None if everybody may call it.",
            id="neural_api.E002",
        )
        for each in operations(build())
        if closed(each)
    ]


@register("neural")
def check_burst(**_: Any) -> list[CheckMessage]:
    """Warn if a full batch does not fit into what a key may send at once."""
    try:
        burst, batch = conf().api_rate_burst, conf().api_batch_events
    except ValueError:
        return []  # neural.E001 says what is wrong
    if burst >= batch:
        return []
    return [
        checks.Warning(
            f"settings.NEURAL['api_rate_burst'] ({burst}) is below 'api_batch_events' ({batch})",
            hint="Of a full batch, the events above the burst are answered with 429. Raise the "
            "burst, or lower the size of a batch.",
            id="neural_api.W001",
        )
    ]


@register(deploy=True)
def check_encryption(**_: Any) -> list[CheckMessage]:
    """Warn if keys may come over a connection that is not encrypted."""
    if settings.SECURE_SSL_REDIRECT:
        return []
    return [
        checks.Warning(
            "keys of the API may be sent over plain HTTP",
            hint="Let a proxy accept HTTPS alone, and set SECURE_SSL_REDIRECT (ZHILIAN_HTTPS=1 in "
            "the project that comes with Neural).",
            id="neural_api.W002",
        )
    ]
