"""Sends a Content-Security-Policy with every page: nothing inline, nothing from other hosts."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

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


class CompressedPages(GZipMiddleware):
    """Django's middleware, which pads each answer by a random length, so that its size tells
    nothing of a token in it (BREACH).

    What is streamed stays as it is: the compressor would hold back the pieces of an export. So do
    the short answers of the API, for which it would cost more time than it saves.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The response, compressed if the browser takes it so and it gets shorter."""
        is_page = response.get("Content-Type", "").startswith("text/html")
        if response.streaming or not is_page:
            return response
        return super().process_response(request, response)
