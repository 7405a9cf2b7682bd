"""What depends on which broker CELERY_BROKER_URL names: Redis (or Valkey) or RabbitMQ."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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

CACHE_DATABASE = 0


def is_rabbitmq(url: str) -> bool:
    return urlsplit(url).scheme in ("amqp", "amqps")


def transport_options(url: str, *, visibility_timeout: int) -> dict[str, Any]:
    """CELERY_BROKER_TRANSPORT_OPTIONS for this broker.

    Redis delivers a message that was taken and not acknowledged again after
    `visibility_timeout` seconds: more than the hard limit plus what a task may wait in a
    worker, else it runs twice.
    """
    if is_rabbitmq(url):
        return dict(RABBITMQ_OPTIONS)
    return {"visibility_timeout": visibility_timeout, **REDIS_OPTIONS}


def cache_url(broker_url: str) -> str | None:
    """Database 0 of the Redis that is the broker, as redis-py writes it.

    None where there is no such database: with RabbitMQ, with Sentinel (which names no server),
    and where the broker itself has database 0.
    """
    parts = urlsplit(broker_url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "redis+socket":
        is_taken = int(query.get("virtual_host", 0)) == CACHE_DATABASE
        return None if is_taken else f"unix://{parts.path}?db={CACHE_DATABASE}"
    if parts.scheme not in ("redis", "rediss") or parts.path.strip("/") in ("", "0"):
        return None
    if "ssl_cert_reqs" in query:  # kombu's CERT_REQUIRED is redis-py's required
        query["ssl_cert_reqs"] = query["ssl_cert_reqs"].removeprefix("CERT_").lower()
    return urlunsplit(parts._replace(path=f"/{CACHE_DATABASE}", query=urlencode(query)))
