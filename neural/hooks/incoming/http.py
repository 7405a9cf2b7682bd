"""One request to a platform's server: bounded in time and in the size of its answer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from neural.errors import NeuralError

_PIECE = 64 * 1024


class NoAnswer(NeuralError):
    """A server did not answer in time, or its answer broke off. Names no address."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """What a server answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes
    is_cut: bool
    """Whether the body was longer than what was read."""


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout: float,
    most_bytes: int,
) -> HttpAnswer:
    """Send one request and return the answer; raises :class:`NoAnswer`.

    ``timeout`` is in seconds; at most ``most_bytes`` of the answer's body are read. Certificates
    are checked, redirects are not followed.
    """
    deadline = time.monotonic() + timeout
    try:
        answer = _pool().request(
            method,
            url,
            headers=headers,
            body=body,
            timeout=Timeout(total=timeout),
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )
    except (HTTPError, OSError) as error:
        raise NoAnswer(type(error).__name__) from None
    try:
        content = _read(answer, most_bytes, deadline)
    except (HTTPError, OSError) as error:
        raise NoAnswer(f"it broke off: {type(error).__name__}") from None
    finally:
        answer.close()
    return HttpAnswer(
        status=answer.status,
        headers={name.lower(): value for name, value in answer.headers.items()},
        body=bytes(content[:most_bytes]),
        is_cut=len(content) > most_bytes,
    )


def _read(answer: Any, most_bytes: int, deadline: float) -> bytearray:
    """Each wait of urllib3 is bounded on its own: a server that sends a byte a second would hold
    the connection for ever."""
    content = bytearray()
    while len(content) <= most_bytes and (piece := answer.read1(_PIECE)):
        content += piece
        if time.monotonic() > deadline:
            raise NoAnswer("it took too long")
    return content


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(num_pools=20, maxsize=4, cert_reqs="CERT_REQUIRED")
