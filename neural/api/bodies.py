"""Reads request bodies: within a size and a time, as JSON that means one thing only.

Django's own reading (``request.body``) is not used. Its limit is one for the whole project
(``DATA_UPLOAD_MAX_MEMORY_SIZE``), it keeps a body in memory, and it takes a body without
``Content-Length`` for an empty one.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase

from neural.api.conf import conf
from neural.api.deadlines import Deadline
from neural.api.problems import ApiProblem
from neural.conf import conf as ledger_conf
from neural.stored_json import said_of

READ_BYTES = 64 * 1024
REFUSED_SECONDS = 5.0
"""How long the rest of a refused request is waited for."""
_UTF8 = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))


class NotReadable(ValueError):
    """A text is no JSON, or JSON that may be read in more than one way; the message says why."""


def check_media_type(request: HttpRequest, accepted: tuple[str, ...]) -> str:
    """The media type of the body, in lower case; :class:`ApiProblem` 415 unless it is accepted and
    its characters are UTF-8 and not compressed."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise ApiProblem(
            415,
            f"Content-Encoding {encoding!r} is not accepted; send the body as it is",
            headers={"Accept-Encoding": "identity"},
        )
    media_type = (request.content_type or "").lower()
    if media_type not in accepted:
        told = f"{media_type!r} is not" if media_type else "no Content-Type is"
        raise ApiProblem(
            415,
            f"{told} accepted here; send one of: {', '.join(accepted)}",
            headers={"Accept": ", ".join(accepted)},
        )
    charset = (request.content_params or {}).get("charset", "utf-8").strip("\"'").lower()
    if charset not in _UTF8:
        raise ApiProblem(415, f"the charset {charset!r} is not accepted; send UTF-8")
    return media_type


class Body:
    """The body of a request, read piece by piece.

    A body of more than ``limit`` bytes is refused with 413, one for which the client makes us wait
    longer than ``api_body_seconds`` in all with 408, and one that ends early with 400.
    """

    def __init__(self, request: HttpRequest, limit: int, seconds: float | None = None) -> None:
        self._limit = limit
        self._seconds = self._seconds_left = seconds or conf().api_body_seconds
        environ = getattr(request, "environ", {})
        self._socket = environ.get("gunicorn.socket")
        self._size = _declared_size(request)
        if self._size is not None and self._size > limit:
            raise self._too_large()
        # Django gives no stream for a body without Content-Length (Transfer-Encoding: chunked); the
        # server's own stream may be read to its end if the server says so.
        is_chunked = self._size is None and environ.get("wsgi.input_terminated")
        self._stream = environ["wsgi.input"] if is_chunked else request
        self._read = 0
        self.is_complete = False
        """Whether everything has been read."""

    def read(self, size: int = READ_BYTES) -> bytes:
        """The next bytes, at most ``size``; empty at the end. Raises :class:`ApiProblem`."""
        if self.is_complete:
            return b""
        if self._seconds_left <= 0:
            raise self._too_slow()
        piece = self._next(min(size, self._limit + 1 - self._read))
        self._read += len(piece)
        if not piece and self._seconds_left <= 0:
            raise self._too_slow()
        if self._read > self._limit:
            raise self._too_large()
        if not piece and self._size is not None and self._read < self._size:
            raise _cut()
        self.is_complete = not piece or self._read == self._size
        return piece

    def read_all(self) -> bytes:
        """The whole body. Raises :class:`ApiProblem`."""
        piece = self.read(self._size or READ_BYTES)
        if self.is_complete:
            return piece
        pieces = [piece]
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def drain(self) -> None:
        """Read what is left and forget it: a client that sends everything before it reads the
        answer would otherwise find the connection broken."""
        try:
            while self.read():
                pass
        except ApiProblem:
            pass

    def _next(self, size: int) -> bytes:
        began = time.monotonic()
        try:
            with Deadline(self._socket, began + self._seconds_left):
                return bytes(self._stream.read(size))
        except (OSError, UnreadablePostError):
            if time.monotonic() - began > self._seconds_left:
                raise self._too_slow() from None
            raise _cut() from None
        finally:
            self._seconds_left -= time.monotonic() - began

    def _too_slow(self) -> ApiProblem:
        return ApiProblem(408, f"the body did not arrive within {self._seconds:g} seconds")

    def _too_large(self) -> ApiProblem:
        return ApiProblem(413, f"the body is larger than {self._limit:,} bytes")


def reads_to_the_end(run: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of an operation's ``run``: reads what a refused request has left of its body, if it
    is not larger than a batch and comes soon.

    A server that closes a connection on which bytes are left breaks it: the client, which sends all
    before it reads, would see that instead of the reason.
    """
    if iscoroutinefunction(run):
        return run  # its server reads bodies whole

    @wraps(run)
    def running(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = run(request, *args, **kwargs)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            with suppress(ApiProblem):
                Body(request, conf().api_batch_bytes, REFUSED_SECONDS).drain()
        return response

    return running


def _declared_size(request: HttpRequest) -> int | None:
    try:
        return int(request.headers.get("Content-Length", ""))
    except ValueError:
        return None


def _cut() -> ApiProblem:
    return ApiProblem(400, "the body ended before all of it had arrived")


def read_json(raw: bytes) -> Any:
    """The value of JSON text in UTF-8, with or without a byte order mark.

    Raises :class:`NotReadable` for what is no JSON (NaN and infinities are none), and for an object
    with the same name twice: readers differ on which of them counts.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable(f"is not UTF-8: {error.reason} at byte {error.start + 1}") from error
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise not_readable(error) from error


def not_readable(error: Exception) -> NotReadable:
    """The reason why :data:`DECODER` could not read a text."""
    if isinstance(error, NotReadable):
        return error
    if isinstance(error, json.JSONDecodeError):
        return NotReadable(f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}")
    if isinstance(error, RecursionError):
        return NotReadable(said_of(None, ledger_conf().max_json_depth))
    return NotReadable(f"is not JSON that can be read: {error}")  # a number of 5,000 digits


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotReadable(f"has an object with the name {twice[:100]!r} twice")
    return read


def _constant(name: str) -> Any:
    raise NotReadable(f"is not JSON: {name} is no number of JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
