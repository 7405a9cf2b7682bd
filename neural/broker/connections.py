"""A connection to the broker: one that gives up soon, whether it takes messages, how many wait.

A broker that answers may still refuse every write: its memory or disk is full, it is a replica,
RabbitMQ has an alarm. Reading from it works all the same.
"""

import logging
from typing import Any

from celery import current_app
from kombu import Connection

from neural.conf import conf

logger = logging.getLogger(__name__)

# kombu's own prefix: a login that is held to the broker's keys may write this one too.
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
            # kombu itself tries again, by default for ever and after 2 s, whatever the timeout.
            "max_retries": 1,
            "interval_start": 0.1,
            "interval_max": 0.1,
        },
    )


def close_quietly(connection: Any) -> None:
    """Drop a connection, whatever state it is in."""
    try:
        connection.collect(socket_timeout=0.1)
    except Exception as error:  # noqa: BLE001 (it is given up anyway)
        logger.debug("event=close_failed error=%r", str(error))


def depth_of(channel: Any, queue: str) -> int:
    """Messages in a queue; a queue that does not exist yet holds none."""
    size = getattr(channel, "_size", None)
    if size is not None:  # kombu's virtual transports (Redis)
        return int(size(queue))
    try:
        return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except channel.connection.channel_errors:
        return 0


def must_accept(channel: Any) -> None:
    """Write what is gone at once, or raise what the broker, or a timeout, says.

    Of transports other than Redis and AMQP nothing is known; nothing is asked.
    """
    if is_redis(channel):
        with channel.client.pipeline() as pipeline:  # a transaction: nobody sees it between
            pipeline.lpush(PROBE, "").delete(PROBE).execute()
    elif hasattr(channel, "basic_publish_confirm"):
        # No queue has this name: dropped as soon as it is confirmed. With an alarm on, RabbitMQ
        # takes a connection's first message, which makes it a publisher's; from there on it
        # reads nothing more from it, so that no answer comes.
        for _ in range(2):
            channel.basic_publish_confirm(channel.prepare_message(b""), routing_key=PROBE)


def is_redis(channel: Any) -> bool:
    """Whether this channel has a Redis client."""
    return getattr(channel.connection, "driver_type", "") == "redis"


def keep_client(channel: Any) -> None:
    """Let this channel use one Redis client again and again. No other broker's channel has clients.

    kombu makes one or two whenever it sends, takes or acknowledges a message: a third of what
    sending one costs, and of what a worker's main process does for one that it throws away. They
    all share the channel's pool of connections, so one does as well for as long as the channel
    has that pool.
    """
    make = getattr(channel, "_create_client", None)
    if make is None or "_create_client" in vars(channel):
        return
    kept: list[Any] = []

    def client(asynchronous: bool = False) -> Any:
        if asynchronous:
            return make(asynchronous)
        pool = channel.pool  # raises what it raised before, when the broker is gone
        if not kept or kept[0].connection_pool is not pool:
            kept[:] = [make()]
        return kept[0]

    channel._create_client = client
