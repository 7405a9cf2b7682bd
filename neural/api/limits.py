"""Limits how much a key sends, and how often an address may come without a valid one.

The answers say where a key stands, in the header fields of draft-ietf-httpapi-ratelimit-headers-10:
``RateLimit-Policy: "key";q=10000;w=50`` (so many requests and events in so many seconds) and
``RateLimit: "key";r=9999;t=1`` (so many are left; more in so many seconds).

They are token buckets: in the broker's Redis for all processes together, or in this process's
memory. A bucket holds at most ``burst`` tokens and gets ``rate`` new ones a second. A cost above
the burst is granted to a full bucket, which then owes the rest: otherwise it would never be
granted. What the same request has ``paid`` before does not count as missing then. (The library
``limits`` has windows and no buckets: it cannot owe, and needs a second round trip for what is
left.)
"""

import logging
import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from celery import current_app
from django.http import HttpRequest, HttpResponseBase

from neural.api.conf import conf
from neural.api.problems import ApiProblem
from neural.broker.connections import is_redis
from neural.kit.addresses import client_address

logger = logging.getLogger(__name__)

POLICY = "key"
EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
ABNORMAL = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected"
TIMEOUT_SECONDS = 0.05
PAUSE_SECONDS = 5.0
"""Redis is left alone for so long after it did not answer."""
REMEMBERED_BUCKETS = 10_000

# The clock is the server's, as web processes may be on several hosts. A full bucket is the same as
# none, so the key expires when the bucket would be full.
TAKE = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local cost, rate, burst, paid = unpack(ARGV)
cost, rate, burst, paid = tonumber(cost), tonumber(rate), tonumber(burst), tonumber(paid)
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1]) or burst, tonumber(held[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local granted = 0
if tokens + paid >= math.min(cost + paid, burst) then
  granted, tokens = 1, tokens - cost
end
local left = string.format('%.6f', tokens)
redis.call('HSET', KEYS[1], 'tokens', left, 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) / rate * 1000) + 1000)
return {granted, left}
"""


@dataclass(frozen=True)
class Taken:
    """Whether the tokens were granted, and how many are left; below 0 if the bucket owes some."""

    granted: bool
    tokens: float


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

    def take(self, name: str, *, cost: int, rate: float, burst: float, paid: int = 0) -> Taken:
        """Take ``cost`` tokens out of a bucket, or none if there are too few."""
        granted, tokens = self._take(keys=[self._prefix + name], args=[cost, rate, burst, paid])
        return Taken(bool(granted), float(tokens))


class SharedBuckets:
    """Buckets in Redis as long as it answers in time; otherwise in this process's memory.

    So a rate may be exceeded by the number of processes while Redis is away, and no request waits.
    """

    def __init__(self, redis: RedisBuckets, local: LocalBuckets) -> None:
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


@cache  # Celery's settings, which do not change, are slow to read
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
    return SharedBuckets(RedisBuckets(client, f"{prefix}neural.api.limit:"), local)


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


@dataclass
class Allowance:
    """What one request has paid, and where its key stood when it last paid."""

    paid_ahead: int = 0
    """Tokens that were taken before it was known what the request costs."""
    rate: float = 0
    burst: float = 0
    tokens: float = 0

    def headers(self) -> dict[str, str]:
        """The header fields that say where the key stands."""
        left = max(math.floor(self.tokens), 0)
        window = max(math.ceil(self.burst / self.rate), 1)
        more = "" if left >= self.burst else f";t={self._seconds_until(left + 1)}"
        return {
            "RateLimit-Policy": f'"{POLICY}";q={math.floor(self.burst)};w={window}',
            "RateLimit": f'"{POLICY}";r={left}{more}',
        }

    def seconds_until(self, cost: int) -> int:
        """After how many seconds so much would be granted."""
        return self._seconds_until(min(cost, self.burst))

    def _seconds_until(self, tokens: float) -> int:
        return max(math.ceil((tokens - self.tokens) / self.rate), 1)


# In memory: what is protected is no secret (nobody guesses 256 bits), but work and logs; and a
# flood of addresses must not fill the broker's memory.
_failures = LocalBuckets()


def count_failure(request: HttpRequest) -> None:
    """Count a request without a valid key. Raises :class:`ApiProblem` 429 if its address sent too
    many. A valid key is looked at first, so others who share the address are not locked out."""
    settings = conf()
    address = client_address(request, proxies=settings.api_proxies)
    if not address:
        return
    burst = max(settings.api_failures_per_minute, 1)
    rate = settings.api_failures_per_minute / 60
    taken = _failures.take(address, cost=1, rate=rate, burst=burst)
    if taken.granted:
        if taken.tokens < 1:
            logger.warning("event=api_keys_refused address=%s failures=%d", address, burst)
        return
    wait = max(math.ceil((1 - taken.tokens) / rate), 1)
    raise ApiProblem(
        429,
        f"too many requests without a valid key came from {address}; try again in {wait} s",
        headers={"Retry-After": str(wait)},
        type=ABNORMAL,
    )


def with_limits(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The answer with the header fields that say where the key of its request stands."""
    allowance: Allowance | None = getattr(request, "api_allowance", None)
    if allowance is not None and allowance.rate:
        for name, value in allowance.headers().items():
            response.headers.setdefault(name, value)
    return response
