"""Django's Redis cache, which turns an outage of Redis into misses.

Sessions are read through it (`cached_db`), so an error here would lock everybody out. When Redis
does not answer, the cache logs it once and uses no Redis for a few seconds; then one request tries
again. So a frozen Redis costs one request in `PAUSE_SECONDS` its timeout, and no request an error.

A key that could not be written or deleted meanwhile is deleted when Redis is back, because its
cached value is out of date (a session that has ended must not come to life again). A process that
ends before Redis is back forgets such keys; their values live until they expire.

Values are JSON, as sessions are: a pickle would be code from anyone who reaches Redis.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

CACHE_DATABASE = 0
TIMEOUT_SECONDS = 0.3
PAUSE_SECONDS = 5.0
REMEMBERED_KEYS = 10_000


def cache_url(broker_url: str) -> str | None:
    """The address of database 0 of the broker's Redis, as redis-py writes it.

    None if there is no such database: with RabbitMQ, with Sentinel (which names no server), and if
    the broker itself uses database 0.
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


def configuration(url: str | None) -> dict[str, Any]:
    """Django's CACHES entry for a Redis at `url`; without one, nothing is cached.

    The process's own memory would not do: a session that ended in one process would live in
    another.
    """
    if url is None:
        return {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
    return {
        "BACKEND": "zhilian.cache.OutageTolerantCache",
        "LOCATION": url,
        "KEY_PREFIX": "zhilian",
        "OPTIONS": {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            # redis-py retries three times by itself, with pauses.
            "retry": Retry(NoBackoff(), 0),
            "serializer": "zhilian.cache.JsonSerializer",
        },
    }


class JsonSerializer:
    """Numbers stay numbers, so that Redis can count them; the rest is JSON."""

    def dumps(self, value: Any) -> int | str:
        return value if type(value) is int else json.dumps(value)

    def loads(self, data: Any) -> Any:
        return json.loads(data)


class Outage:
    """Whether Redis is not used at present, and which keys are out of date there. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._is_on = False
        self._stale: set[str] = set()

    def leaves_it_alone(self) -> bool:
        """False while Redis answers, and for one caller after each pause; otherwise True."""
        with self._lock:
            if not self._is_on:
                return False
            now = time.monotonic()
            if now < self._until:
                return True
            self._until = now + PAUSE_SECONDS
            return False

    def begins(self, error: Exception) -> None:
        with self._lock:
            known, self._is_on = self._is_on, True
            self._until = time.monotonic() + PAUSE_SECONDS
        if not known:
            logger.warning("event=cache_lost error=%r", str(error))

    def ends(self) -> None:
        with self._lock:
            known, self._is_on = self._is_on, False
        if known:
            logger.info("event=cache_back")

    def remember(self, keys: Iterable[str]) -> None:
        with self._lock:
            if len(self._stale) < REMEMBERED_KEYS:
                self._stale.update(keys)

    def take_stale(self) -> set[str]:
        with self._lock:
            stale, self._stale = self._stale, set()
        return stale


# Django makes a cache object for each thread; all of them share what is known about an outage.
_outages: dict[str, Outage] = {}

Method = Callable[..., Any]


def _tolerant(method: Method, *, miss: Method, changes: Method = lambda *_: ()) -> Method:
    """`method`, answering as an empty cache while Redis is down.

    `changes` names the keys whose value in Redis is out of date if the call fails.
    """

    @wraps(method)
    def tolerant(self: "OutageTolerantClient", *arguments: Any) -> Any:
        if not self.outage.leaves_it_alone():
            try:
                self.delete_stale()
                answer = method(self, *arguments)
            except (RedisError, OSError) as error:
                self.outage.begins(error)
            else:
                self.outage.ends()
                return answer
        self.outage.remember(changes(*arguments))
        return miss(*arguments)

    return tolerant


def _not_found(key: str, *_: Any) -> int:
    raise ValueError(f"Key {key!r} not found.")  # Django's text for a missing key


class OutageTolerantClient(RedisCacheClient):
    """The cache's Redis client. A failed `incr`, `add` or `touch` leaves no outdated value."""

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **options)
        self.outage = _outages.setdefault(servers[0], Outage())

    def delete_stale(self) -> None:
        stale = self.outage.take_stale()
        try:
            if stale:
                RedisCacheClient.delete_many(self, stale)
        except (RedisError, OSError):
            self.outage.remember(stale)
            raise

    add = _tolerant(RedisCacheClient.add, miss=lambda *_: True)
    get = _tolerant(RedisCacheClient.get, miss=lambda key, default: default)
    get_many = _tolerant(RedisCacheClient.get_many, miss=lambda keys: {})
    has_key = _tolerant(RedisCacheClient.has_key, miss=lambda key: False)
    touch = _tolerant(RedisCacheClient.touch, miss=lambda *_: False)
    incr = _tolerant(RedisCacheClient.incr, miss=_not_found)
    clear = _tolerant(RedisCacheClient.clear, miss=lambda: False)
    set = _tolerant(RedisCacheClient.set, miss=lambda *_: None, changes=lambda key, *_: [key])
    set_many = _tolerant(
        RedisCacheClient.set_many, miss=lambda *_: None, changes=lambda data, *_: list(data)
    )
    delete = _tolerant(RedisCacheClient.delete, miss=lambda *_: False, changes=lambda key: [key])
    delete_many = _tolerant(
        RedisCacheClient.delete_many, miss=lambda *_: None, changes=lambda keys: list(keys)
    )


class OutageTolerantCache(RedisCache):
    """The cache backend that CACHES names."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = OutageTolerantClient
