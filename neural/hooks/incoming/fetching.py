"""Asks a platform's server for what a push leaves out.

Every request is bounded: in time, in the size of its answer, and in how often a source asks. Errors
name the method, the host and the status alone, because addresses and headers hold credentials and
answers hold what guests ordered.

The limit of requests is counted in each process. It only spreads bursts, and the number of
processes is small; the limit that binds all of them is the platform's own: an answer 429 makes the
run wait for as long as the platform says.
"""

import email.utils
import json
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Timeout

from neural.errors import NeuralError
from neural.hooks.conf import conf

ANSWER_BYTES = 2 * 1024 * 1024
"""The largest answer that is read."""
BURST = 10
"""How many requests a source may make at once."""
_CHUNK = 64 * 1024
_TOO_MANY = 429
_UNAVAILABLE = 503


class FetchFailed(NeuralError):
    """A platform did not answer with what was asked for. The run is retried.

    ``status`` is that of the answer, or None without one. ``retry_after`` are the seconds for which
    the platform asks to wait, or None.
    """

    def __init__(
        self, reason: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class Pace:
    """A token bucket: ``burst`` requests at once, then ``per_second``. Safe for threads."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._at = time.monotonic()

    def wait(self) -> None:
        """Return when the next request may be made."""
        with self._lock:
            now = time.monotonic()
            gained = (now - self._at) * self._per_second
            self._tokens = min(self._tokens + gained, self._burst) - 1
            self._at = now
            pause = max(-self._tokens / self._per_second, 0)
        if pause:
            time.sleep(pause)


class FetchingClient:
    """The :class:`~neural.hooks.platforms.base.Client` of a source.

    ``pool`` opens the connections: one that checks addresses may be given. Redirects are not
    followed, because they would carry credentials to where a server says.
    """

    def __init__(self, pool: urllib3.PoolManager, *, pace: Pace, seconds: float) -> None:
        self._pool = pool
        self._pace = pace
        self._seconds = seconds

    def get(self, url: str, *, headers: Mapping[str, str] = {}) -> Any:
        """The JSON of an answer."""
        return self._ask("GET", url, headers)

    def post(self, url: str, *, json: Any, headers: Mapping[str, str] = {}) -> Any:
        """The JSON of an answer to a JSON body."""
        return self._ask("POST", url, headers, json=json)

    def post_form(
        self, url: str, *, fields: Mapping[str, str], headers: Mapping[str, str] = {}
    ) -> Any:
        """The JSON of an answer to a form."""
        form = {"fields": dict(fields), "encode_multipart": False}
        return self._ask("POST", url, headers, **form)

    def _ask(self, method: str, url: str, headers: Mapping[str, str], **content: Any) -> Any:
        what = f"{method} {_host(url)}"
        self._pace.wait()
        deadline = time.monotonic() + self._seconds
        try:
            answer = self._pool.request(
                method,
                url,
                headers={"Accept-Encoding": "identity", "Accept": "application/json", **headers},
                timeout=Timeout(total=self._seconds),
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                **content,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise FetchFailed(f"{what}: no answer ({type(error).__name__})") from None
        try:
            return _read(answer, what, deadline)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise FetchFailed(
                f"{what}: its answer broke off ({type(error).__name__})", status=answer.status
            ) from None
        finally:
            answer.close()


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"


def _read(answer: Any, what: str, deadline: float) -> Any:
    status = answer.status
    if not 200 <= status < 300:
        wait = _retry_after(answer) if status in (_TOO_MANY, _UNAVAILABLE) else None
        raise FetchFailed(f"{what} answered {status}", status=status, retry_after=wait)
    body = bytearray()
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > ANSWER_BYTES:
            raise FetchFailed(f"{what}: its answer has over {ANSWER_BYTES:,} bytes", status=status)
        if time.monotonic() > deadline:
            raise FetchFailed(f"{what}: its answer took too long", status=status)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise FetchFailed(f"{what}: its answer is no JSON", status=status) from None


def _retry_after(answer: Any) -> float | None:
    """The seconds of the header Retry-After, which also may be a date."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        until = email.utils.parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return None
    return max(until.timestamp() - time.time(), 0.0)


def client_of(source: str) -> FetchingClient:
    """The client of the source of this name."""
    per_second = conf().hook_fetches_per_second
    return FetchingClient(
        _pool(), pace=_pace_of(source, per_second), seconds=conf().hook_timeout_seconds
    )


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(num_pools=20, maxsize=4, cert_reqs="CERT_REQUIRED")


@cache
def _pace_of(source: str, per_second: float) -> Pace:
    return Pace(per_second=per_second, burst=BURST)
