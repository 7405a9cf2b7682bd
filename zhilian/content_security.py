"""Sends a Content-Security-Policy with every page: nothing inline, nothing from other hosts."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

POLICY = (
    "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
HEADER = "Content-Security-Policy"


class ContentSecurityPolicy:
    """Middleware. A response that has a policy of its own keeps it.

    Django's pages about errors, which only ``DEBUG`` shows, have inline styles and get none.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response.headers.setdefault(HEADER, POLICY)
        return response
