"""Compresses pages on their way to the browser: they shrink to a quarter or less."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class CompressedPages(GZipMiddleware):
    """Django's middleware, which pads each answer by a random length, so that its size tells
    nothing of a token in it (BREACH).

    What is streamed stays as it is: the compressor would hold back the pieces of an export.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The response, compressed if the browser takes it so and it gets shorter."""
        return response if response.streaming else super().process_response(request, response)
