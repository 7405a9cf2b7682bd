"""Where the cache is, given the broker's address."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

CACHE_DATABASE = 0


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
