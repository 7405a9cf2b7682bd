"""RabbitMQ for tests: all tests share the server, but each has its own way to it."""

import fcntl
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from celery import current_app
from kombu import Connection

from neural.broker.connections import depth_of
from neural.queues import QUEUES
from tests.integration.forwarder import Forwarder


@contextmanager
def alone() -> Iterator[None]:
    """Allow one test at a time: another test run on this machine uses the same three queues."""
    with (Path(tempfile.gettempdir()) / "zhilian-tests-rabbitmq.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def celery_setting(name: str, value: Any) -> Iterator[None]:
    """Give a setting of this process's Celery application another value.

    To put the former value back would not undo it: it would outrank Django's settings in all later
    tests of the process.
    """
    setattr(current_app.conf, name, value)
    try:
        yield
    finally:
        current_app.conf.changes.pop(name)


class RabbitMQ(Forwarder):
    """Has the methods of `EmbeddedBroker`. Only its three queues are emptied."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        super().__init__(parts.hostname, parts.port or 5672)
        self._login = parts.netloc.rpartition("@")[0]
        self._parts = parts

    @property
    def url(self) -> str:
        netloc = f"{self._login}@127.0.0.1:{self.port}"
        return urlunsplit(self._parts._replace(netloc=netloc))

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(self._server, 1):
            return True
        return False

    def kill(self) -> None:
        self.stop()

    def wipe(self) -> None:
        """Break every connection and start again with empty queues."""
        self.stop()
        self.empty()
        self.start()

    def empty(self) -> None:
        with self.client() as client:
            for queue in QUEUES:
                client.delete(queue)

    @contextmanager
    def client(self):
        with Connection(urlunsplit(self._parts), connect_timeout=5) as connection:
            yield Client(connection)


class Client:
    """The part of a Redis client's interface that tests use, for RabbitMQ, past the forwarder."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def llen(self, queue: str) -> int:
        return depth_of(self._connection.default_channel, queue)

    def delete(self, queue: str) -> int:
        """Empty the queue; returns 1 if there was something in it."""
        with suppress(self._connection.channel_errors):
            return int(bool(self._connection.default_channel.queue_purge(queue)))
        return 0
