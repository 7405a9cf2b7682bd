"""Reads request bodies within a size and a time, whoever sends them.

Django's own reading (``request.body``) is not used. Its limit is one for the whole project
(``DATA_UPLOAD_MAX_MEMORY_SIZE``), it waits as long as the client likes, and it takes a body without
``Content-Length`` for an empty one.

A server's blocking read waits until all the bytes it was asked for have come, and a timeout of the
socket starts anew with each byte. So one thread of the process shuts a connection down when its
deadline has passed, and the waiting read or write ends. (A timer for each read would cost a hundred
times as much: 0.1 ms of processor time.) This works where the server says by which socket a request
came, as gunicorn does. Elsewhere, put a server in front that reads requests whole, as nginx does.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Self

from django.http import HttpRequest, UnreadablePostError

from neural.kit.errors import NeuralError

CHECK_SECONDS = 0.25
"""Within this time, a deadline that has passed is noticed."""

READ_BYTES = 64 * 1024
MOST_PIECES = 64
"""Of a refused body: a client that sends without end is not read to the end."""


class RequestRefused(NeuralError):
    """A request is answered with this HTTP status, and ``detail`` says why."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.detail = detail


class Body:
    """The body of a request, read piece by piece.

    A body of more than ``limit`` bytes is refused with 413, one for which the client makes us wait
    longer than ``seconds`` in all with 408, and one that ends early or is malformed with 400.
    """

    refused: type[RequestRefused] = RequestRefused
    """What is raised."""

    def __init__(self, request: HttpRequest, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = self._seconds_left = seconds
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
        """The next bytes, at most ``size``; empty at the end. Raises :attr:`refused`."""
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
            raise self._cut()
        self.is_complete = not piece or self._read == self._size
        return piece

    def read_all(self) -> bytes:
        """The whole body. Raises :attr:`refused`."""
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
        with suppress(RequestRefused):
            while self.read():
                pass

    def _next(self, size: int) -> bytes:
        began = time.monotonic()
        try:
            with Deadline(self._socket, began + self._seconds_left):
                return bytes(self._stream.read(size))
        except (OSError, UnreadablePostError):
            if time.monotonic() - began > self._seconds_left:
                raise self._too_slow() from None
            raise self._cut() from None
        except Exception:  # noqa: BLE001 (a server's own error for a chunk that is none)
            raise self.refused(400, "the body is malformed") from None
        finally:
            self._seconds_left -= time.monotonic() - began

    def _too_slow(self) -> RequestRefused:
        return self.refused(408, f"the body did not arrive within {self._seconds:g} seconds")

    def _too_large(self) -> RequestRefused:
        return self.refused(413, f"the body is larger than {self._limit:,} bytes")

    def _cut(self) -> RequestRefused:
        return self.refused(400, "the body ended before all of it had arrived")


def take_no_more(request: HttpRequest) -> None:
    """Wait for nothing more of a refused request: forget what has arrived of its body, and close
    the connection for the rest. Else a server waits for it, with the thread that pages need. So a
    client that sends a large body before it reads may find the connection closed.

    This works where the server says by which socket a request came, as gunicorn does.
    """
    environ = getattr(request, "environ", {})
    connection: socket.socket | None = environ.get("gunicorn.socket")
    if connection is None:
        return
    timeout = connection.gettimeout()
    connection.settimeout(0)
    is_over = False
    with suppress(Exception):  # not all is there, or a chunk is none
        read = environ["wsgi.input"].read
        is_over = any(len(read(READ_BYTES)) < READ_BYTES for _ in range(MOST_PIECES))
    if not is_over:
        with suppress(OSError):  # the client has closed it
            connection.shutdown(socket.SHUT_RD)
    connection.settimeout(timeout)


def _declared_size(request: HttpRequest) -> int | None:
    try:
        return int(request.headers.get("Content-Length", ""))
    except ValueError:
        return None


# Deadlines


class Deadline:
    """Context manager: shuts a half of a socket down if the block lasts too long.

    ``until`` is a time of ``time.monotonic()``, ``how`` the half (for writing: both). Does nothing
    without a socket.
    """

    def __init__(
        self, connection: socket.socket | None, until: float, how: int = socket.SHUT_RD
    ) -> None:
        self.connection, self.until, self.how = connection, until, how

    def __enter__(self) -> Self:
        if self.connection is not None:
            _watch.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _watch.lock:  # once this returns, the socket is not touched any more
            _watch.active.discard(self)


class _Watch:
    """The deadlines of this process, and the thread that looks at them while there are any."""

    def __init__(self) -> None:
        self.active: set[Deadline] = set()
        self.lock = threading.Lock()
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self.lock:
            self.active.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="neural-deadlines")
                self._thread.daemon = True
                self._thread.start()
        self._is_needed.set()

    def _run(self) -> None:
        while self._is_needed.wait():
            time.sleep(CHECK_SECONDS)
            with self.lock:
                if not self.active:
                    self._is_needed.clear()
                for each in [each for each in self.active if each.until <= time.monotonic()]:
                    self.active.discard(each)
                    with suppress(OSError):  # the client has closed it
                        each.connection.shutdown(each.how)  # type: ignore[union-attr]


_watch = _Watch()


def _start_afresh() -> None:
    global _watch
    _watch = _Watch()  # the parent's thread stays with the parent


os.register_at_fork(after_in_child=_start_afresh)
