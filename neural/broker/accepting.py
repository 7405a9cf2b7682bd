"""Whether a broker takes messages. One that answers may still refuse every write: its memory or
disk is full, it is a replica, RabbitMQ has an alarm. Reading from it works all the same."""

from typing import Any

# kombu's own prefix: a login that is held to the broker's keys may write this one too.
PROBE = "_kombu.binding.neural.probe"


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
