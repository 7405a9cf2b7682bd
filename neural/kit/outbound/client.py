"""One HTTP request to a server that is not ours: guarded, bounded in time and in size.

It goes only to addresses that :mod:`neural.kit.outbound.addresses` allows. The host is resolved
once, and the connection goes to the very address that was checked, so a name that changes in
between (DNS rebinding) leads nowhere else; the certificate is checked against the name. Redirects
are not followed, and proxies of the environment are not used.

The time counts for the whole request, from the resolving to the last byte, so a server that sends
one byte a second gains nothing. urllib3 and requests count each wait on its own.
"""

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from django.utils import translation

from neural.kit.errors import NeuralError
from neural.kit.outbound.addresses import (
    Address,
    AddressRefused,
    Destination,
    HostUnknown,
    public_addresses,
    read_url,
    resolved,
)
from neural.kit.outbound.conf import conf

__all__ = ["AddressRefused", "HostUnknown", "HttpAnswer", "NoAnswer", "check_url", "request"]

MOST_BYTES = 64 * 1024
"""How much of an answer's body is read unless the caller says otherwise."""
_PIECE = 16 * 1024
"""A TLS record, and so one wait. OpenSSL would wait for each record of a longer piece anew."""
_MOST_FRAMING = 8 * 1024 * 1024
"""What headers, and the sizes of chunks, may add to a body: http.client allows 100 headers of 64
KiB. But of a chunk whose size is negative it would read as much as a server sends."""


class NoAnswer(NeuralError):
    """A server could not be reached, did not answer in time, or did not answer by HTTP."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """What a server answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in small letters; of a repeated header, the first value."""
    body: bytes
    is_cut: bool
    """Whether the body was longer than what was read."""
    seconds: float
    """How long the request took."""


def check_url(url: str) -> None:
    """Raise :class:`AddressRefused` if no request may go to this URL as its host resolves now, and
    :class:`NoAnswer` if the resolver does not answer in time."""
    private = conf().outbound_private_addresses
    resolve = Deadline(conf().outbound_timeout_seconds).resolve
    public_addresses(read_url(url, private=private), private=private, resolve=resolve)


def refusal_of(url: str) -> str:
    """Why :func:`check_url` refuses it, in the active language; empty if it does not."""
    try:
        check_url(url)
    except AddressRefused as error:
        return translation.gettext(error.text) % error.values
    except NoAnswer as error:
        return str(error)
    return ""


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    timeout: float | None = None,
    most_bytes: int = MOST_BYTES,
) -> HttpAnswer:
    """Send one request and return the answer.

    ``timeout`` is in seconds for all of it (default: the setting ``outbound_timeout_seconds``). At
    most ``most_bytes`` of the answer's body are read. Raises :class:`AddressRefused` before
    anything is sent, and :class:`NoAnswer`.
    """
    private = conf().outbound_private_addresses
    deadline = Deadline(conf().outbound_timeout_seconds if timeout is None else timeout)
    destination = read_url(url, private=private)
    addresses = public_addresses(destination, private=private, resolve=deadline.resolve)
    connection = _Connection(destination, addresses, deadline, most_bytes + _MOST_FRAMING)
    try:
        connection.request(method, destination.target, body=body, headers=dict(headers))
        answer = connection.getresponse()
        read = answer.read(most_bytes + 1)
    except TimeoutError:
        raise NoAnswer(f"no answer within {deadline.seconds:g} seconds") from None
    except ssl.SSLError as error:
        raise NoAnswer(f"no safe connection: {error.reason or error}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(f"{type(error).__name__}: {error}".removesuffix(": ")) from None
    finally:
        connection.hang_up()
    if answer.length and len(read) <= most_bytes:  # http.client takes this for the end
        raise NoAnswer("the answer broke off")
    named = {name.lower(): value for name, value in reversed(answer.getheaders())}
    return HttpAnswer(
        status=answer.status,
        headers=named,
        body=read[:most_bytes],
        is_cut=len(read) > most_bytes,
        seconds=deadline.passed(),
    )


class Deadline:
    """The time that one request may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began = time.perf_counter()

    def passed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    def left(self) -> float:
        """Seconds that are left; raises TimeoutError if none are."""
        left = self.seconds - self.passed()
        if left <= 0:
            raise TimeoutError
        return left

    def resolve(self, host: str, port: int) -> list[str]:
        """Resolve a host within the time: the system's resolver itself cannot be given a limit."""
        found: list[list[str]] = []
        errors: list[OSError | UnicodeError] = []

        def ask() -> None:
            try:
                found.append(resolved(host, port))
            except (OSError, UnicodeError) as error:
                errors.append(error)

        thread = threading.Thread(target=ask, name="neural-outbound-resolve", daemon=True)
        thread.start()
        thread.join(max(0.0, self.seconds - self.passed()))
        if errors:
            raise errors[0]
        if not found:
            raise NoAnswer(f"the host {host} was not resolved within {self.seconds:g} seconds")
        return found[0]


class _Connection(http.client.HTTPConnection):
    """A connection to one of the checked addresses of a destination. It never asks the resolver."""

    def __init__(
        self,
        destination: Destination,
        addresses: list[Address],
        deadline: Deadline,
        most_bytes: int,
    ) -> None:
        super().__init__(destination.host, destination.port)
        self._destination = destination
        self._addresses = addresses
        self._deadline = deadline
        self._most_bytes = most_bytes
        self._plain: socket.socket | None = None

    def connect(self) -> None:
        plain = self._connected()
        if self._destination.scheme == "https":
            plain.settimeout(self._deadline.left())
            try:
                plain = _tls().wrap_socket(plain, server_hostname=self._destination.host)
            except BaseException:
                plain.close()
                raise
        self._plain = plain
        self.sock = cast("socket.socket", _TimedSocket(plain, self._deadline, self._most_bytes))

    def hang_up(self) -> None:
        """Close the connection, be the answer read or not."""
        self.close()
        if self._plain is not None:
            self._plain.close()

    def _connected(self) -> socket.socket:
        """Connect to the first address that accepts; all of them share the time that is left."""
        error: OSError | None = None
        for place, address in enumerate(self._addresses, 1):
            share = self._deadline.left() / (len(self._addresses) - place + 1)
            try:
                return socket.create_connection((str(address), self.port), timeout=share)
            except OSError as failed:
                error = failed
        raise error or TimeoutError

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:
        """Begin the request. The header Host names the host, not the address."""
        super().putrequest(method, url, skip_host=True, skip_accept_encoding=True)
        self.putheader("Host", self._destination.authority)
        self.putheader("Accept-Encoding", "identity")


class _TimedSocket:
    """A socket whose every wait is limited to what is left of the request's time, and of which no
    more than so many bytes are read."""

    def __init__(self, plain: socket.socket, deadline: Deadline, most_bytes: int) -> None:
        self._plain = plain
        self._deadline = deadline
        self._most_bytes = most_bytes

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PIECE):
            self._plain.settimeout(self._deadline.left())
            self._plain.sendall(view[start : start + _PIECE])

    def makefile(self, *args: Any, **options: Any) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._plain, self._deadline, self._most_bytes))

    def close(self) -> None:
        """Do nothing: http.client closes the socket before the body is read; see ``hang_up``."""


class _TimedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, deadline: Deadline, most_bytes: int) -> None:
        self._plain = plain
        self._deadline = deadline
        self._left = most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise http.client.HTTPException("the answer is too long")
        self._plain.settimeout(self._deadline.left())
        count = self._plain.recv_into(buffer)
        self._left -= count
        return count


@cache
def _tls() -> ssl.SSLContext:
    """Certificates and host names are checked; TLS 1.2 or later. Made once: it reads the system's
    certificates."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
