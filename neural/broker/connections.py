"""Connections to the broker: opening one with short timeouts, and checking what it accepts.

A broker that answers may still refuse every write: its memory or disk is full, it is a replica, or
RabbitMQ has an alarm. Reading from it works all the same.
"""

import logging
from typing import Any

from celery import current_app
from kombu import Connection

from neural.conf import conf

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
    if is_redis(channel):
        with channel.client.pipeline() as pipeline:  # in a transaction: nobody sees the probe
            pipeline.lpush(PROBE, "").delete(PROBE).execute()
    elif hasattr(channel, "basic_publish_confirm"):
        # No queue has this name, so the message is dropped once it is confirmed. With an alarm,
        # RabbitMQ accepts the first message of a connection, which makes that connection a
        # publisher's. From then on it reads nothing more from it, so a second message gets no
        # confirmation.
        for _ in range(2):
            channel.basic_publish_confirm(channel.prepare_message(b""), routing_key=PROBE)


def is_redis(channel: Any) -> bool:
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
    kept: list[Any] = []

    def client(asynchronous: bool = False) -> Any:
        if asynchronous:
            return make(asynchronous)
        pool = channel.pool  # raises as before when the broker is lost
        if not kept or kept[0].connection_pool is not pool:
            kept[:] = [make()]
        return kept[0]

    channel._create_client = client
