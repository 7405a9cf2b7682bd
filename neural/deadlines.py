"""Ends reading from, or writing to, a client that is too slow.

A server's blocking read waits until all the bytes it was asked for have come, and a timeout of the
socket starts anew with each byte. So one thread of the process shuts a connection down when its
deadline has passed, and the waiting read or write ends.

This works where the server says by which socket a request came: gunicorn does
(``gunicorn.socket``). Elsewhere, put a server in front that reads requests whole, as nginx does.
"""

import os
import socket
import threading
import time
from types import TracebackType
from typing import Self

CHECK_SECONDS = 0.25


class Deadline:
    """Context manager: shuts a half of a socket down if the block lasts too long.

    ``until`` is a time of ``time.monotonic()``, ``how`` the half (for writing: both). Does nothing
    without a socket. A deadline is noticed within :data:`CHECK_SECONDS`.
    """

    def __init__(
        self, connection: socket.socket | None, until: float, how: int = socket.SHUT_RD
    ) -> None:
        self._connection = connection
        self._how = how
        self.until = until

    def __enter__(self) -> Self:
        if self._connection is not None:
            _watch.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            _watch.remove(self)

    def shut_down(self) -> None:
        """Shut the half of the socket down."""
        try:
            assert self._connection is not None  # only then it is watched
            self._connection.shutdown(self._how)
        except OSError:
            return  # the client has closed it


class _Watch:
    """The deadlines of this process, and the thread that looks at them while there are any."""

    def __init__(self) -> None:
        self._active: set[Deadline] = set()
        self._lock = threading.Lock()
        self._is_needed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._lock:
            self._active.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="neural-deadlines", daemon=True
                )
                self._thread.start()
        if not self._is_needed.is_set():
            self._is_needed.set()

    def remove(self, deadline: Deadline) -> None:
        with self._lock:  # once this returns, the socket is not touched any more
            self._active.discard(deadline)

    def _run(self) -> None:
        while True:
            self._is_needed.wait()
            time.sleep(CHECK_SECONDS)
            with self._lock:
                if not self._active:
                    self._is_needed.clear()
                over = [each for each in self._active if each.until <= time.monotonic()]
                for each in over:
                    each.shut_down()
                    self._active.discard(each)


_watch = _Watch()


def _start_afresh() -> None:
    global _watch
    _watch = _Watch()  # the parent's thread stays with the parent


os.register_at_fork(after_in_child=_start_afresh)
