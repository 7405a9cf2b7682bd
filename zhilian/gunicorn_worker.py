"""gunicorn's worker with threads, which waits for no half-sent request with a thread of its pool.

gunicorn gives a thread to each connection as soon as it is made. The thread then waits for the
headers and for the body, as long as the client likes: a few clients that send by half take them
all, and nobody is answered. Here the worker's main loop waits, for headers and for the bodies of
forms, which stay in the kernel meanwhile (``SO_RCVLOWAT`` says from how many bytes on the loop is
woken). A body that may be read while it arrives (events, pushes, uploads) is waited for in the same
way for half a second, in which most come whole, and then by at most half of the threads; the API
and webhooks have shorter times of their own (``neural.bodies``).

Use it with ``--worker-class zhilian.gunicorn_worker.BufferingWorker``. It needs Linux.
"""

import re
import socket
import struct
import time
from bisect import insort
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

WHOLE_BYTES = 128 * 1024
"""The longest request that is waited for without a thread."""
WAIT_SECONDS = 60
"""For all of such a request, and for each next piece of any other. nginx waits as long."""
SOON_SECONDS = 0.5
"""What may be read while it arrives is waited for so long at first: mostly it comes whole."""
CLOSE_SECONDS = 2.0
"""How long a client may take to close its end: if we closed first, it might lose the answer."""
_FORM = re.compile(rb"\r\ncontent-type:[ \t]*(?:application/x-www-form-url|multipart/form-)", re.I)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,19})", re.I)
_UNKNOWN = re.compile(rb"\r\n(?:transfer-encoding|expect):", re.I)
_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT


class BufferingWorker(ThreadWorker):
    """Gives a connection a thread when its request has arrived."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most_arriving = max(self.cfg.threads // 2, 1)
        self._arriving: set[TConn] = set()
        """Connections with a thread whose request has not arrived whole."""
        self._queued: deque[TConn] = deque()
        """Those for which such a thread is not free."""

    def enqueue_req(self, conn: TConn) -> None:
        """Give the connection a thread, or wait: for its bytes, or for a thread that may wait."""
        began, conn.in_parts = getattr(conn, "wanted", 0) or 0, False
        conn.wanted = wanted = 0 if self.cfg.is_ssl else _wanted(conn, began)
        _set_receiving(conn.sock, wanted or 1)
        if wanted:
            until = conn.timeout if began else time.monotonic() + WAIT_SECONDS
            soon = time.monotonic() + SOON_SECONDS
            self._wait(conn, soon if conn.in_parts else until, self.on_pending_socket_readable)
        elif wanted == 0:
            super().enqueue_req(conn)
        else:
            self._let_wait(conn)

    def _let_wait(self, conn: TConn) -> None:
        """Give it a thread that waits for the client, as soon as one may."""
        conn.in_parts = False
        if len(self._arriving) < self._most_arriving:
            self._arriving.add(conn)
            super().enqueue_req(conn)
        else:
            self._queued.append(conn)

    def murder_pending(self) -> None:
        """Close what has not come in time, unless it may be read while it arrives."""
        now = time.monotonic()
        for conn in [each for each in self.pending_conns if each.in_parts and each.timeout <= now]:
            self.poller.unregister(conn.sock)
            self.pending_conns.remove(conn)
            conn.wanted = 0
            _set_receiving(conn.sock, 1)
            self._let_wait(conn)
        super().murder_pending()

    def _wait(self, conn: TConn, until: float, on_readable: Callable[..., None]) -> None:
        conn.timeout, conn.data_ready = until, True
        conn.sock.setblocking(False)
        insort(self.pending_conns, conn, key=lambda each: each.timeout)
        self.poller.register(conn.sock, EVENT_READ, partial(on_readable, conn))

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        """Let the next connection have the thread that may wait."""
        if conn in self._arriving:
            self._arriving.discard(conn)
            if self._queued:
                self._let_wait(self._queued.popleft())
        is_closed = conn.sock.fileno() < 0
        if is_closed or self.cfg.is_ssl or fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        # gunicorn would wait for the client to close its end, and the main loop with it.
        conn.in_parts = False
        with suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
        self._wait(conn, time.monotonic() + CLOSE_SECONDS, self._on_closing)

    def _on_closing(self, conn: TConn, client: socket.socket) -> None:
        with suppress(OSError):
            if client.recv(WHOLE_BYTES):
                return
        conn.timeout = 0.0
        self.pending_conns.remove(conn)
        self.pending_conns.appendleft(conn)  # the main loop closes it next

    def _cap_keepalive(self, deadline: float) -> None:
        """When the worker stops, wait no longer for what is sent by half, either."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


def _wanted(conn: TConn, before: int) -> int | None:
    """How many bytes must lie in the socket before a thread reads it; 0 if it may now, and None if
    it has to wait for some, because that is not known or too many. ``before`` is what was wanted
    when the connection was waited for."""
    kept = conn.parser.unreader.buf.getvalue() if conn.parser else b""
    try:
        arrived = conn.sock.recv(WHOLE_BYTES, _PEEK)
    except BlockingIOError:
        arrived = b""
    except OSError:
        return 0  # the thread sees why
    if len(arrived) < before:
        return None  # the client has ended it, or the kernel has no room
    head, has_ended, body = (kept + arrived).partition(b"\r\n\r\n")
    if not has_ended:
        return len(arrived) + 1 if len(arrived) < WHOLE_BYTES else None
    if _UNKNOWN.search(head):
        return None
    length = _LENGTH.search(head)
    lacking = int(length[1]) - len(body) if length else 0
    if lacking <= 0:
        return 0
    wanted = len(arrived) + lacking
    conn.in_parts = not _FORM.search(head)
    return wanted if wanted <= WHOLE_BYTES else None


def _set_receiving(connection: socket.socket, low_mark: int) -> None:
    """Have it readable from so many bytes on, and no read wait longer than WAIT_SECONDS."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low_mark)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", WAIT_SECONDS, 0))
