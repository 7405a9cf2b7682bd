"""Connections to the broker: opening one with short timeouts, checking what it accepts, and the
options of its transport.

A broker that answers may still refuse every write: its memory or disk is full, it is a replica, or
RabbitMQ has an alarm. Reading from it works all the same.
"""

import logging
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from kombu import Connection

from neural.kit.conf import conf

logger = logging.getLogger(__name__)

# kombu's own prefix: a login that is restricted to the broker's keys may write this one too.
PROBE = "_kombu.binding.neural.probe"


def short_tempered_connection() -> Connection:
    """A connection, not yet open, that gives up soon instead of waiting for a broker."""
    timeout = conf().publish_timeout_seconds
    return current_app.connection_for_write(
        connect_timeout=timeout,
        transport_options={
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry_on_timeout": False,
            "read_timeout": timeout,
            "write_timeout": timeout,
            # kombu itself retries, by default for ever and after 2 s, whatever the timeout.
            "max_retries": 1,
            "interval_start": 0.1,
            "interval_max": 0.1,
        },
    )


def close_quietly(connection: Any) -> None:
    """Close a connection in whatever state it is, without raising."""
    try:
        connection.collect(socket_timeout=0.1)
    except Exception as error:  # noqa: BLE001 (the connection is given up anyway)
        logger.debug("event=close_failed error=%r", str(error))


def depth_of(channel: Any, queue: str) -> int:
    """The number of messages in a queue; 0 for a queue that does not exist yet."""
    size = getattr(channel, "_size", None)
    if size is not None:  # kombu's virtual transports (Redis)
        return int(size(queue))
    try:
        return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except channel.connection.channel_errors:
        return 0


def must_accept(channel: Any) -> None:
    """Write something that vanishes at once, or raise the broker's error or a timeout.

    With transports other than Redis and AMQP it does nothing.
    """
    if is_redis_channel(channel):
        with channel.client.pipeline() as pipeline:  # in a transaction: nobody sees the probe
            pipeline.lpush(PROBE, "").delete(PROBE).execute()
    elif hasattr(channel, "basic_publish_confirm"):
        # No queue has this name, so the message is dropped once it is confirmed. With an alarm,
        # RabbitMQ accepts the first message of a connection, which makes that connection a
        # publisher's. From then on it reads nothing more from it, so a second message gets no
        # confirmation.
        for _ in range(2):
            channel.basic_publish_confirm(channel.prepare_message(b""), routing_key=PROBE)


def is_redis_channel(channel: Any) -> bool:
    """Whether this channel has a Redis client."""
    return getattr(channel.connection, "driver_type", "") == "redis"


def keep_client(channel: Any) -> None:
    """Let this channel reuse one Redis client. The channels of other brokers have no clients.

    kombu makes one or two clients whenever it sends, takes or acknowledges a message. That is a
    third of the cost of sending one, and of a worker's main process's work for a message that it
    discards. They all share the channel's pool of connections, so one client is enough as long as
    the channel has that pool.
    """
    make = getattr(channel, "_create_client", None)
    if make is None or "_create_client" in vars(channel):
        return
    clients: list[Any] = []

    def client(asynchronous: bool = False) -> Any:
        if asynchronous:
            return make(asynchronous)
        pool = channel.pool  # raises as before when the broker is lost
        if not clients or clients[0].connection_pool is not pool:
            clients[:] = [make()]
        return clients[0]

    channel._create_client = client


# Options of the transport

REDIS_OPTIONS: dict[str, Any] = {
    # Every interval × throttle seconds, the transport looks for messages that nobody acknowledged.
    # Its default throttle of 10 would make a lost message wait another 100 s.
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    # Without these a frozen or half-open connection blocks producer and worker for ever.
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 5,
    # The order in which a worker reads its queues. 'priority' starves the last queue.
    "queue_order_strategy": "round_robin",
}
RABBITMQ_OPTIONS: dict[str, Any] = {
    # Publishing waits until the broker has the message. Otherwise a message is lost if the
    # connection breaks right after it.
    "confirm_publish": True,
}
RABBITMQ_HEARTBEAT_SECONDS = 10
"""A connection to RabbitMQ that is silent for this long counts as lost.

RabbitMQ returns a worker's messages to their queues when its connection is lost. Celery's default
of 120 s would leave a frozen broker unnoticed for as long.
"""


def is_rabbitmq(url: Any) -> bool:
    """Whether the address (or the first of several) names RabbitMQ."""
    return _scheme(url) in ("amqp", "amqps", "pyamqp")


def is_redis(url: Any) -> bool:
    """Whether the address (or the first of several) names Redis, Valkey or Sentinel."""
    return _scheme(url).partition("+")[0] in ("redis", "rediss", "sentinel", "valkey", "valkeys")


def _scheme(url: Any) -> str:
    first = url[0] if isinstance(url, list | tuple) and url else url
    return urlsplit(str(first or "").partition(";")[0]).scheme


def visibility_timeout(*, prefetch_multiplier: int, time_limit: float) -> int:
    """The seconds after which Redis delivers an unacknowledged message again.

    A message waits in its worker behind the prefetched ones, each of which may take up to the hard
    limit, and then runs up to that limit itself; one more limit is added as a margin. With less, a
    task would run twice.
    """
    return int((max(prefetch_multiplier, 1) + 2) * time_limit)


def transport_options(
    url: Any, *, prefetch_multiplier: int = 1, time_limit: float | None = 300
) -> dict[str, Any]:
    """Celery's ``broker_transport_options`` for this broker; empty for an unknown one.

    ``time_limit`` is the tasks' hard limit in seconds.
    """
    if is_rabbitmq(url):
        return dict(RABBITMQ_OPTIONS)
    if not is_redis(url):
        return {}
    if not time_limit:  # no limit says how long a task may run, so kombu's own hour holds
        return dict(REDIS_OPTIONS)
    seconds = visibility_timeout(prefetch_multiplier=prefetch_multiplier, time_limit=time_limit)
    return {"visibility_timeout": seconds, **REDIS_OPTIONS}
