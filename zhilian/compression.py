"""Compresses pages on their way to the browser: they shrink to a quarter or less."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


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
