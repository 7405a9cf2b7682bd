"""Limits how much a key sends, and how often an address may come without a valid one.

The answers say where a key stands, in the header fields of draft-ietf-httpapi-ratelimit-headers-10:
``RateLimit-Policy: "key";q=10000;w=50`` (so many requests and events in so many seconds) and
``RateLimit: "key";r=9999;t=1`` (so many are left; more in so many seconds).
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponseBase

from neural.addresses import client_address
from neural.api.buckets import LocalBuckets, buckets
from neural.api.conf import conf
from neural.api.problems import ApiProblem

if TYPE_CHECKING:
    from neural.api.access import Caller

logger = logging.getLogger(__name__)

POLICY = "key"
EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
ABNORMAL = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected"


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


def charge(caller: "Caller", cost: int) -> None:
    """Take ``cost`` (requests, or events of a batch) from what the caller's key may send.

    Every request has paid 1 before its endpoint is called; that counts towards the first charge.
    Raises :class:`ApiProblem` 429 with ``Retry-After``.
    """
    allowance = caller.allowance
    due = max(cost - allowance.paid_ahead, 0)
    if due:
        _take(caller, due, paid=allowance.paid_ahead)
    allowance.paid_ahead -= cost - due


def charge_ahead(caller: "Caller") -> None:
    """Charge 1 for a request whose endpoint may charge more; raises like :func:`charge`."""
    _take(caller, 1)
    caller.allowance.paid_ahead = 1


def _take(caller: "Caller", cost: int, *, paid: int = 0) -> None:
    settings, allowance, key = conf(), caller.allowance, caller.key
    allowance.rate = key.rate_per_second or settings.api_rate_per_second
    in_proportion = allowance.rate / settings.api_rate_per_second
    allowance.burst = max(settings.api_rate_burst * in_proportion, 1)
    taken = buckets().take(
        f"key:{key.prefix}", cost=cost, rate=allowance.rate, burst=allowance.burst, paid=paid
    )
    allowance.tokens = taken.tokens
    if taken.granted:
        return
    wait = allowance.seconds_until(cost)
    members: dict[str, Any] = {"type": EXCEEDED, "violated-policies": [POLICY]}
    raise ApiProblem(
        429,
        f"the key {key.prefix} may send {allowance.rate:g} requests and events a second; "
        f"send this again in {wait} s",
        headers={"Retry-After": str(wait), **allowance.headers()},
        remaining=max(math.floor(taken.tokens), 0),
        **members,
    )


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


def remember(request: HttpRequest, allowance: Allowance) -> None:
    """Let the answer to this request say where its key stands."""
    request.api_allowance = allowance  # type: ignore[attr-defined]


def says_limits(run: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of an operation's ``run``: adds the header fields to every answer, errors too."""
    if iscoroutinefunction(run):

        @wraps(run)
        async def running(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return _with_headers(request, await run(request, *args, **kwargs))
    else:

        @wraps(run)
        def running(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return _with_headers(request, run(request, *args, **kwargs))

    return running


def _with_headers(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    allowance: Allowance | None = getattr(request, "api_allowance", None)
    if allowance is not None and allowance.rate:
        for name, value in allowance.headers().items():
            response.headers.setdefault(name, value)
    return response
