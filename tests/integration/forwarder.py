"""A TCP proxy that a test can cut off or freeze, in front of a server that other tests share."""

import socket
import threading
from contextlib import suppress

from tests.ports import HOST, free_port


class Forwarder:
    """Forwards connections from `port` on loopback to a server, both ways."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.port = free_port()

    def start(self) -> None:
        """Listen, after a stop again on the same port."""
        self._listener = socket.create_server((HOST, self.port))
        self._start(self._accept, self._listener)

    def stop(self) -> None:
        """Break every connection and refuse new ones."""
        self.thaw()  # otherwise a waiting thread would not end
        if self._listener is None:
            return
        for end in [self._listener, *self._open]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for end in [self._listener, *self._open]:
            end.close()
        self._open.clear()
        self._threads.clear()
        self._listener = None

    def freeze(self) -> None:
        """Keep connections open and accept new ones, but forward nothing."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                ours, _ = listener.accept()
                self._open.append(ours)
                theirs = socket.create_connection(self._server)
                self._open.append(theirs)
                self._start(self._pass_on, ours, theirs)
                self._start(self._pass_on, theirs, ours)

    def _start(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
