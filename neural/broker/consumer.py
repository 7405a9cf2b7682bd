"""Celery's consumer, such that a broker that refuses, or goes away, does not end or block its
worker. ``neural.broker.patches`` makes it the setting ``worker_consumer`` of workers.

**The broker refuses writes.** Such a server still accepts connections, so reconnecting alone would
be a loop without a pause (celery/celery#5716, #7946). The worker waits in ``connection_for_read``
until the server accepts a write.

**RabbitMQ has an alarm** (memory, disk) and confirms nothing. ``connection_for_write`` is for a
worker's own events, which include a heartbeat every 2 s. Waiting for a confirmation blocked the
main process until the alarm was over (for publishing in general: celery/celery#2689, #10386). Here
these events are not confirmed.

**The broker is lost while a worker stops.** Celery repeats each heartbeat of the event stream until
the broker is back, and holds the dispatcher's lock meanwhile. In a stopping worker, a thread of the
pool does this, and the main process waits for that lock to say goodbye. It never ended. Here a
heartbeat is sent once, as celery/celery#6039 does for the event that the worker is offline; the
next heartbeat is due in 2 s.
"""

import logging
import time
from typing import Any

from celery.worker import consumer, heartbeat
from celery.worker.consumer import heart
from celery.worker.state import maybe_shutdown

from neural.broker.connections import is_redis_channel, must_accept
from neural.broker.patches import Seldom

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Seconds between two checks whether the broker accepts messages, and between two connections."""
EVENT_SECONDS = 1.0
"""How long, in seconds, an event may block its worker when the broker reads nothing any more."""


_Blueprint: Any = consumer.Consumer.Blueprint


class Heartbeat(heartbeat.Heart):
    """Sends each heartbeat of the event stream once."""

    def _send(self, event: str, retry: bool = False) -> Any:
        return super()._send(event, retry=False)  # type: ignore[misc]


class Heart(heart.Heart):
    """The step that starts the heartbeats."""

    heartbeat_interval: float | None

    def start(self, c: Any) -> None:
        """Celery's own, with another class."""
        c.heart = Heartbeat(c.timer, c.event_dispatcher, self.heartbeat_interval)
        c.heart.start()


class Consumer(consumer.Consumer):
    """The consumer of a worker."""

    _connected_at = 0.0

    class Blueprint(_Blueprint):
        """The steps, of which the heartbeats are ours."""

        default_steps = tuple(
            Heart if step == "celery.worker.consumer.heart:Heart" else step
            for step in _Blueprint.default_steps
        )

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        """A connection to a broker that accepts messages."""
        # An error other than a refused write (a key of another type) would recur at once.
        if time.monotonic() - self._connected_at < PAUSE_SECONDS:
            _pause()
        self._connected_at = time.monotonic()
        seldom = Seldom()
        while True:
            connection = super().connection_for_read(heartbeat=heartbeat)
            try:
                if is_redis_channel(connection.default_channel):
                    must_accept(connection.default_channel)
                return connection
            except connection.connection_errors as error:
                if seldom.may_speak():
                    logger.warning("event=broker_refuses reason=%r", str(error))
                connection.release()
            _pause()

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """A connection for the worker's own events, which nobody waits for."""
        connection: Any = self.app.connection_for_write(url=url, heartbeat=heartbeat)
        if "confirm_publish" in connection.transport_options:
            unconfirmed = {"confirm_publish": False, "write_timeout": EVENT_SECONDS}
            connection.transport_options = {**connection.transport_options, **unconfirmed}
        return self.ensure_connected(connection)


def _pause() -> None:
    maybe_shutdown()
    time.sleep(PAUSE_SECONDS)
    maybe_shutdown()
