"""What depends on which broker the address names: Redis (or Valkey) or RabbitMQ. Pure."""

from typing import Any
from urllib.parse import urlsplit

REDIS_OPTIONS: dict[str, Any] = {
    # The transport looks for such messages every interval × throttle seconds. Its own throttle
    # of 10 would make a lost message wait another 100 s.
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    # Without these a frozen or half-open connection blocks producer and worker for good.
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 5,
    # The order in which a worker's queues are asked. 'priority' starves the last queue.
    "queue_order_strategy": "round_robin",
}
RABBITMQ_OPTIONS: dict[str, Any] = {
    # Publishing waits until the broker has the message; without it a message is gone when the
    # connection breaks behind it.
    "confirm_publish": True,
}
RABBITMQ_HEARTBEAT_SECONDS = 10
"""RabbitMQ gives back a message when its worker's connection is lost; a connection that is
silent this long is lost. Celery's own 120 s would leave a frozen broker unnoticed as long."""


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
    """After so many seconds Redis hands out a message again that was not acknowledged.

    A message waits in its worker behind as many as were prefetched, each up to the hard limit,
    and then runs up to it; one more limit is to spare. Were it less, a task would run twice.
    """
    return int((max(prefetch_multiplier, 1) + 2) * time_limit)


def transport_options(
    url: Any, *, prefetch_multiplier: int = 1, time_limit: float | None = 300
) -> dict[str, Any]:
    """Celery's ``broker_transport_options`` for this broker; none for one that is not known."""
    if is_rabbitmq(url):
        return dict(RABBITMQ_OPTIONS)
    if not is_redis(url):
        return {}
    if not time_limit:  # nothing says how long a task may run: kombu's own hour
        return dict(REDIS_OPTIONS)
    seconds = visibility_timeout(prefetch_multiplier=prefetch_multiplier, time_limit=time_limit)
    return {"visibility_timeout": seconds, **REDIS_OPTIONS}
