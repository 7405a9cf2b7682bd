"""Token buckets: in the broker's Redis for all processes together, or in this process's memory.

A bucket holds at most ``burst`` tokens and gets ``rate`` new ones a second. A cost above the burst
is granted to a full bucket, which then owes the rest: otherwise it would never be granted. What the
same request has ``paid`` before does not count as missing then.
"""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from celery import current_app

from neural.broker.connections import is_redis

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.05
PAUSE_SECONDS = 5.0
"""Redis is left alone for so long after it did not answer."""
REMEMBERED_BUCKETS = 10_000
SHARE_OF_RATE = 0.1
HELD_SECONDS = 1.0

# The clock is the server's, as web processes may be on several hosts. A full bucket is the same as
# none, so the key expires when the bucket would be full.
TAKE = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local cost, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local paid = tonumber(ARGV[5])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1]) or burst, tonumber(held[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local granted, ahead = 0, 0
if tokens + paid >= math.min(cost + paid, burst) then
  granted, tokens = 1, tokens - cost
  ahead = math.max(0, math.min(tonumber(ARGV[4]), math.floor(tokens / 2)))
  tokens = tokens - ahead
end
local left = string.format('%.6f', tokens)
redis.call('HSET', KEYS[1], 'tokens', left, 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) / rate * 1000) + 1000)
return {granted, left, ahead}
"""


@dataclass(frozen=True)
class Taken:
    """Whether the tokens were granted, and how many are left; below 0 if the bucket owes some."""

    granted: bool
    tokens: float
    ahead: int = 0
    """How many were taken beyond the cost."""


class Buckets(Protocol):
    """Whatever grants tokens."""

    def take(self, name: str, *, cost: int, rate: float, burst: float, paid: int = 0) -> Taken: ...


class LocalBuckets:
    """Buckets in this process's memory, of which those used last are remembered. Thread-safe."""

    def __init__(self, size: int = REMEMBERED_BUCKETS) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, *, cost: int, rate: float, burst: float, paid: int = 0) -> Taken:
        """Take ``cost`` tokens out of a bucket, or none if there are too few."""
        with self._lock:
            now = time.monotonic()
            tokens, at = self._held.pop(name, (burst, now))
            tokens = min(burst, tokens + (now - at) * rate)
            granted = tokens + paid >= min(cost + paid, burst)
            tokens -= cost if granted else 0
            self._held[name] = (tokens, now)
            if len(self._held) > self._size:
                self._held.popitem(last=False)
        return Taken(granted, tokens)


class RedisBuckets:
    """Buckets in Redis, one round trip each. Raises redis-py's errors, or OSError."""

    def __init__(self, client: Any, prefix: str) -> None:
        self._take = client.register_script(TAKE)
        self._prefix = prefix

    def take(
        self, name: str, *, cost: int, rate: float, burst: float, paid: int = 0, ahead: int = 0
    ) -> Taken:
        """Take ``cost`` tokens out of a bucket, or none if there are too few; and up to ``ahead``
        more, at most half of what is left then."""
        granted, tokens, more = self._take(
            keys=[self._prefix + name], args=[cost, rate, burst, ahead, paid]
        )
        return Taken(bool(granted), float(tokens), int(more))


@dataclass
class _Purse:
    held: int = 0
    size: int = 0
    """How many were asked for last."""
    left: float = 0
    """What was left in the bucket then."""
    until: float = 0
    is_being_filled: bool = False


class PrepaidBuckets:
    """Buckets of which this process takes tokens ahead, so that a busy key does not ask Redis for
    each request. Thread-safe.

    They come out of the bucket like all others: the processes together are granted what it held,
    and no more. A process holds at most :data:`SHARE_OF_RATE` of a second's tokens, for at most
    :data:`HELD_SECONDS`; what it does not spend by then is lost.
    """

    def __init__(self, source: RedisBuckets, size: int = REMEMBERED_BUCKETS) -> None:
        self._source = source
        self._size = size
        self._lock = threading.Lock()
        self._purses: OrderedDict[str, _Purse] = OrderedDict()

    def take(self, name: str, *, cost: int, rate: float, burst: float, paid: int = 0) -> Taken:
        """Take ``cost`` tokens out of a bucket, or none if there are too few. Raises what the
        source raises."""
        if cost != 1:  # a batch asks once for many
            return self._source.take(name, cost=cost, rate=rate, burst=burst, paid=paid)
        with self._lock:
            purse = self._purse(name)
            if purse.held and time.monotonic() < purse.until:
                purse.held -= 1
                return Taken(True, purse.left + purse.held)
            if purse.is_being_filled:
                ahead = 0
            else:
                ahead = _grow(purse, rate)
                purse.is_being_filled = bool(ahead)
        taken = Taken(False, 0)
        try:
            taken = self._source.take(
                name, cost=cost, rate=rate, burst=burst, paid=paid, ahead=ahead
            )
        finally:
            if ahead:
                with self._lock:
                    purse.is_being_filled = False
                    purse.held, purse.left = taken.ahead, taken.tokens
        return Taken(taken.granted, taken.tokens + taken.ahead)

    def _purse(self, name: str) -> _Purse:
        purse = self._purses.setdefault(name, _Purse())
        self._purses.move_to_end(name)
        if len(self._purses) > self._size:
            self._purses.popitem(last=False)
        return purse


def _grow(purse: _Purse, rate: float) -> int:
    """How many tokens to take ahead now: none after a pause, else twice as many as last time."""
    now = time.monotonic()
    is_busy = now < purse.until
    purse.size = min(2 * purse.size or 1, int(rate * SHARE_OF_RATE)) if is_busy else 0
    purse.held, purse.until = 0, now + HELD_SECONDS
    return purse.size


class SharedBuckets:
    """Buckets in Redis as long as it answers in time; otherwise in this process's memory.

    So a rate may be exceeded by the number of processes while Redis is away, and no request waits.
    """

    def __init__(self, redis: Buckets, local: LocalBuckets) -> None:
        self._redis, self._local = redis, local
        self._used_again_at = 0.0

    def take(self, name: str, *, cost: int, rate: float, burst: float, paid: int = 0) -> Taken:
        """Take ``cost`` tokens out of a bucket, or none if there are too few."""
        from redis.exceptions import RedisError  # not installed in projects without Redis

        if time.monotonic() >= self._used_again_at:
            before = self._used_again_at
            # The next requests do not wait for the answer to this one if Redis was away.
            self._used_again_at = time.monotonic() + PAUSE_SECONDS if before else 0.0
            try:
                taken = self._redis.take(name, cost=cost, rate=rate, burst=burst, paid=paid)
            except (RedisError, OSError) as error:
                self._used_again_at = time.monotonic() + PAUSE_SECONDS
                if not before:
                    logger.warning("event=api_limits_redis_lost error=%r", str(error))
            else:
                self._used_again_at = 0.0
                if before:
                    logger.info("event=api_limits_redis_back")
                return taken
        return self._local.take(name, cost=cost, rate=rate, burst=burst, paid=paid)


def buckets() -> LocalBuckets | SharedBuckets:
    """The buckets of this deployment: in the broker's Redis if the broker is one, else local."""
    conf = current_app.conf
    options = conf.broker_transport_options or {}
    return _buckets(_first(conf.broker_url), str(options.get("global_keyprefix", "")))


@lru_cache(maxsize=4)
def _buckets(broker_url: str, prefix: str) -> LocalBuckets | SharedBuckets:
    local = LocalBuckets()
    address = _for_redis_py(broker_url)
    if address is None:
        return local
    try:
        client = _client(address)
    except (ImportError, ValueError) as error:
        logger.warning("event=api_limits_per_process error=%r", type(error).__name__)
        return local
    redis = RedisBuckets(client, f"{prefix}neural.api.limit:")
    return SharedBuckets(PrepaidBuckets(redis), local)


def _client(address: str) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    given = current_app.conf.broker_use_ssl
    return redis.Redis.from_url(
        address,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),  # by itself it would try three times more
        **(given if isinstance(given, dict) and address.startswith("rediss:") else {}),
    )


def _first(broker_url: Any) -> str:
    first = broker_url[0] if isinstance(broker_url, list | tuple) and broker_url else broker_url
    return str(first or "").partition(";")[0]


def _for_redis_py(url: str) -> str | None:
    """Celery's address as redis-py writes it. None for another broker, and for Sentinel, whose
    address names no server."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if not is_redis(url) or parts.scheme.startswith("sentinel"):
        return None
    if parts.scheme.endswith("+socket"):
        database = query.get("virtual_host", "0").strip("/") or "0"
        secret = f"{parts.username or ''}:{parts.password}@" if parts.password else ""
        return f"unix://{secret}{unquote(parts.path)}?{urlencode({'db': database})}"
    if "ssl_cert_reqs" in query:  # kombu's CERT_REQUIRED is redis-py's required
        query["ssl_cert_reqs"] = query["ssl_cert_reqs"].removeprefix("CERT_").lower()
    scheme = "rediss" if parts.scheme in ("rediss", "valkeys") else "redis"
    return urlunsplit(parts._replace(scheme=scheme, query=urlencode(query)))
