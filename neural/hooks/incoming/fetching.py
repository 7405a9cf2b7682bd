"""Asks a platform's server for what a push leaves out.

Every request is bounded: in time, in the size of its answer, and in how often a source asks. Errors
name the method, the host and the status alone, because addresses and headers hold credentials and
answers hold what guests ordered.

The limit of requests is counted in each process. It only spreads bursts, and the number of
processes is small; the limit that binds all of them is the platform's own: an answer 429 makes the
run wait for as long as the platform says.
"""

import email.utils
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from json import dumps, loads
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

from neural.hooks.conf import conf
from neural.hooks.platforms.reading import storable_json
from neural.kit.errors import NeuralError
from neural.kit.outbound import client as http_client
from neural.kit.outbound.conf import conf as outbound_conf

Send: TypeAlias = Callable[..., Any]

ANSWER_BYTES = 2 * 1024 * 1024
"""The largest answer that is read."""
BURST = 10
"""How many requests a source may make at once."""
_NONE: Mapping[str, str] = {}
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

    ``send`` makes one request and returns its answer, whatever its status; it raises a NeuralError
    if there is none. It checks addresses, if they are to be checked, and follows no redirect,
    because that would carry credentials to where a server says.
    """

    def __init__(self, *, pace: Pace, seconds: float, send: Send = http_client.request) -> None:
        self._pace = pace
        self._seconds = seconds
        self._send = send

    def get(self, url: str, *, headers: Mapping[str, str] = _NONE) -> Any:
        """The JSON of an answer."""
        return self._ask("GET", url, headers)

    def post(self, url: str, *, json: Any, headers: Mapping[str, str] = _NONE) -> Any:
        """The JSON of an answer to a JSON body."""
        kind = {"Content-Type": "application/json"}
        # In the form that Keruyun's signature covers.
        compact = dumps(json, separators=(",", ":"))
        return self._ask("POST", url, {**kind, **headers}, compact.encode())

    def post_form(
        self, url: str, *, fields: Mapping[str, str], headers: Mapping[str, str] = _NONE
    ) -> Any:
        """The JSON of an answer to a form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", url, {**kind, **headers}, urlencode(fields).encode())

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Any:
        what = f"{method} {_host(url)}"
        if not all(map(_is_sendable, headers.values())):
            # The errors of http.client would tell the header, which may be a credential.
            raise FetchFailed(
                f"{what}: a credential has a line break or a character outside of Latin-1, which "
                "no header can have: enter the source's credentials again"
            )
        self._pace.wait()
        try:
            answer = self._send(
                method,
                url,
                headers={"Accept-Encoding": "identity", "Accept": "application/json", **headers},
                body=body,
                timeout=self._seconds,
                most_bytes=ANSWER_BYTES,
            )
        except NeuralError as error:
            raise FetchFailed(f"{what}: no answer ({error})") from None
        status = answer.status
        if not 200 <= status < 300:
            wait = _retry_after(answer) if status in (_TOO_MANY, _UNAVAILABLE) else None
            raise FetchFailed(f"{what} answered {status}", status=status, retry_after=wait)
        if answer.is_cut:
            raise FetchFailed(f"{what}: its answer has over {ANSWER_BYTES:,} bytes", status=status)
        try:
            return storable_json(loads(answer.body))
        except (ValueError, RecursionError):
            reason = f"{what}: its answer is no JSON, or nested too deep"
            raise FetchFailed(reason, status=status) from None


def _is_sendable(value: str) -> bool:
    return "\n" not in value and "\r" not in value and all(each <= "\xff" for each in value)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"


def _retry_after(answer: Any) -> float | None:
    """The seconds of the header Retry-After, which also may be a date."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(until.timestamp() - time.time(), 0.0)


def client_of(source: str) -> FetchingClient:
    """The client of the source of this name."""
    pace = _pace_of(source, conf().hook_fetches_per_second)
    return FetchingClient(pace=pace, seconds=outbound_conf().outbound_timeout_seconds)


@cache
def _pace_of(source: str, per_second: float) -> Pace:
    return Pace(per_second=per_second, burst=BURST)
