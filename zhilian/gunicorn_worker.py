"""gunicorn's worker with threads, which waits for no half-sent request with a thread of its pool.

gunicorn gives a thread to each connection as soon as it is made. The thread then waits for the
headers and for the body, as long as the client likes: a few clients that send by half take them
all, and nobody is answered. Here the worker's main loop waits, for headers and for the bodies of
forms, which stay in the kernel meanwhile (``SO_RCVLOWAT`` says from how many bytes on the loop is
woken). A body that may be read while it arrives (events, pushes, uploads) is waited for in the same
way for half a second, in which most come whole, and then with a thread, if less than half of them
wait so; the API and webhooks have shorter times of their own (``neural.kit.bodies``).

Use it with ``--worker-class zhilian.gunicorn_worker.BufferingWorker``. It needs Linux.
"""

import re
import socket
import struct
import time
from bisect import insort
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from math import inf
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

WHOLE_BYTES = 128 * 1024
"""The longest request that is waited for without a thread."""
WAIT_SECONDS = 60
"""For all of such a request, and for each next piece of any other. nginx waits as long."""
SOON_SECONDS = 0.5
"""What may be read while it arrives is waited for so long at first: mostly it comes whole."""
QUEUE_SECONDS = 300
"""How long a request waits for a thread that may wait. Pushes have such a thread for 5 s each."""
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
        self._arriving: set[TConn] = set()
        """Connections with a thread whose request has not arrived whole."""

    def enqueue_req(self, conn: TConn) -> None:
        """Give the connection a thread, or wait: for its bytes, or for a thread that may wait."""
        before, now = getattr(conn, "wanted", 0), time.monotonic()
        conn.wanted, patience = (0, inf) if self.cfg.is_ssl else _wanted(conn, before)
        conn.patient_until = now + patience
        _set_receiving(conn.sock, conn.wanted or 1)
        if conn.wanted:
            whole_until = conn.timeout if before else now + WAIT_SECONDS
            until = whole_until if patience == inf else now + QUEUE_SECONDS
            self._wait(conn, until, self.on_pending_socket_readable)
        else:
            super().enqueue_req(conn)

    def murder_pending(self) -> None:
        """After each look at the sockets: give threads to what may be read while it arrives, at
        most half of them, and close what has not come in time."""
        now = time.monotonic()
        for conn in [each for each in self.pending_conns if each.patient_until <= now]:
            if len(self._arriving) >= max(self.cfg.threads // 2, 1):
                break
            with suppress(KeyError):
                self.poller.unregister(conn.sock)
            self.pending_conns.remove(conn)
            self._arriving.add(conn)
            conn.wanted, conn.patient_until = 0, inf
            _set_receiving(conn.sock, 1)
            super().enqueue_req(conn)
        super().murder_pending()

    def _wait(self, conn: TConn, until: float, on_readable: Callable[..., None]) -> None:
        now = time.monotonic()
        conn.timeout = until if self.alive else min(until, now + CLOSE_SECONDS)
        conn.data_ready = True
        conn.sock.setblocking(False)
        insort(self.pending_conns, conn, key=lambda each: each.timeout)
        if conn.patient_until > now:
            self.poller.register(conn.sock, EVENT_READ, partial(on_readable, conn))

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        """Keep what is to be kept alive, and let the client close the rest."""
        self._arriving.discard(conn)
        is_closed = conn.sock.fileno() < 0
        if is_closed or self.cfg.is_ssl or fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        # gunicorn would wait for the client to close its end, and the main loop with it.
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


def _wanted(conn: TConn, before: int) -> tuple[int, float]:
    """How many bytes must lie in the socket before a thread reads it (0: it may now), and after how
    many seconds one may read what there is, and wait for the rest. ``before`` is what was wanted
    when the connection was waited for."""
    kept = conn.parser.unreader.buf.getvalue() if conn.parser else b""
    try:
        arrived = conn.sock.recv(WHOLE_BYTES, _PEEK)
    except BlockingIOError:
        arrived = b""
    except OSError:
        return 0, inf  # the thread sees why
    more = len(arrived) + 1
    head, has_ended, body = (kept + arrived).partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    lacking = int(length[1]) - len(body) if length else 0
    wanted = len(arrived) + lacking if has_ended else more
    has_no_length = has_ended and _UNKNOWN.search(head)
    if more <= before or wanted > WHOLE_BYTES or has_no_length:
        return more, 0.0  # or the client has ended it, or the kernel has no room
    if has_ended and lacking <= 0:
        return 0, inf
    return wanted, SOON_SECONDS if has_ended and not _FORM.search(head) else inf


def _set_receiving(connection: socket.socket, low_mark: int) -> None:
    """Have it readable from so many bytes on, and no read wait longer than WAIT_SECONDS."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low_mark)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", WAIT_SECONDS, 0))
