"""Settings that depend on the kind of broker: Redis (or Valkey) or RabbitMQ. Pure functions."""

from typing import Any
from urllib.parse import urlsplit

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
