"""Which addresses a request of ours may go to: never into the network around our own machines.

An address comes from a person or from another company, so a request to it could reach what only
this machine can reach: a database, an admin page, a cloud's metadata server (server-side request
forgery, OWASP). So the URL is read strictly, its host is resolved here, every address that it has
must be a public one, and the connection goes to exactly the address that was checked
(:mod:`neural.kit.outbound.client`). Imports no Django.

The ranges are those of the IANA special-purpose address registries for IPv4 and IPv6. They are
written out because Python's ``is_global`` differs between its releases.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from neural.kit.errors import NeuralError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

LONGEST_URL = 2000
_FIRST_UNPRIVILEGED_PORT = 1024
_PORTS = {"http": 80, "https": 443}
_UNFIT_CHARACTER = re.compile(r"[^\x21-\x7e]|\\")
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z"
)
_LAST_LABEL_OF_A_NUMBER = re.compile(r"(?:^|\.)(\d+|0x[0-9a-f]*)\Z")

_NOT_PUBLIC_4 = [
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by a carrier's customers (RFC 6598); Alibaba Cloud's metadata
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# Of IPv6 only global unicast is public, without what is in it for protocols, documentation or an
# IPv4 address inside: 6to4 (2002::/16), Teredo (2001::/32). The other forms with an IPv4 address
# (mapped, compatible, NAT64) lie outside of global unicast.
_PUBLIC_6 = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC_6 = [
    ipaddress.ip_network(each)
    for each in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3ffe::/16",
        "3fff::/20",
    )
]
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
_NEVER = [ipaddress.ip_network(each) for each in ("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32")]


def _noop(text: str) -> str:
    """Mark a text for translation, without Django."""
    return text


gettext_noop = _noop


class AddressRefused(NeuralError):
    """No request may go to an address; ``text`` and ``values`` say why, for translation."""

    def __init__(self, text: str, **values: Any) -> None:
        super().__init__(text % values)
        self.text = text
        self.values: Mapping[str, Any] = values


class HostUnknown(AddressRefused):
    """The resolver knows no address of a host: a wrong name, or an outage of the resolver."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A URL that was read: where a request goes, not yet resolved."""

    scheme: str
    host: str
    """In small letters; an IPv6 address without its brackets."""
    port: int
    target: str
    """Path and query."""

    @property
    def is_default_port(self) -> bool:
        return _PORTS[self.scheme] == self.port

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.is_default_port else f"{host}:{self.port}"


def read_url(url: str, *, private: bool) -> Destination:
    """Read a URL strictly; raises :class:`AddressRefused`.

    ``private`` allows plain HTTP and every port, for receivers in the own network. An address in
    an old spelling of IPv4 (``2130706433``, ``0x7f.1``) is refused: readers differ about them.
    """
    if len(url) > LONGEST_URL:
        raise AddressRefused(gettext_noop("The address is longer than 2,000 characters."))
    if _UNFIT_CHARACTER.search(url):
        raise AddressRefused(
            gettext_noop(
                "The address has a space, a backslash or a character outside of ASCII; write "
                "these as %%XX, and a name like 例子.cn as xn--fsqu00a.cn."
            )
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(
            gettext_noop("The address cannot be read: %(why)s"), why=error
        ) from None
    scheme = parts.scheme.lower()
    if scheme != "https" and not (private and scheme == "http"):
        raise AddressRefused(gettext_noop("The address must begin with https://"))
    if "@" in parts.netloc:
        raise AddressRefused(gettext_noop("The address must not contain a user name or password."))
    host = _host(parts.hostname or "", is_bracketed=parts.netloc.startswith("["))
    if port is None:
        port = _PORTS[scheme]
    if not private and port not in _PORTS.values() and port < _FIRST_UNPRIVILEGED_PORT:
        raise AddressRefused(
            gettext_noop("The port %(port)s is another service's; use 443, or one from 1024 on."),
            port=port,
        )
    target = parts.path or "/"
    target += f"?{parts.query}" if parts.query else ""
    return Destination(scheme=scheme, host=host, port=port, target=target)


def _host(host: str, *, is_bracketed: bool) -> str:
    host = host.lower()
    if is_bracketed:
        try:
            return str(ipaddress.IPv6Address("zone" if "%" in host else host))
        except ValueError:
            raise _unknown_host(host) from None
    if _LAST_LABEL_OF_A_NUMBER.search(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise _unknown_host(host) from None
    if not _HOST_NAME.match(host):
        raise _unknown_host(host)
    return host


def _unknown_host(host: str) -> AddressRefused:
    return AddressRefused(
        gettext_noop("“%(host)s” is neither the name of a host nor an IP address."), host=host
    )


def public_addresses(
    destination: Destination, *, private: bool, resolve: Resolve | None = None
) -> list[Address]:
    """Resolve the host, and return its addresses if a request may go to each of them.

    One that is not public is enough to refuse them all: the name is then not what it says. Raises
    :class:`AddressRefused`, also for a name that is not known.
    """
    try:
        found = (resolve or resolved)(destination.host, destination.port)
    except (OSError, UnicodeError) as error:
        raise HostUnknown(
            gettext_noop("The host %(host)s is not known: %(why)s"),
            host=destination.host,
            why=error,
        ) from None
    addresses = [ipaddress.ip_address(each) for each in dict.fromkeys(found)]
    if not addresses:
        raise HostUnknown(gettext_noop("The host %(host)s has no address."), host=destination.host)
    for address in addresses:
        if not may_be_called(address, private=private):
            raise AddressRefused(
                gettext_noop(
                    "%(host)s is %(address)s, which is not an address in the public Internet."
                ),
                host=destination.host,
                address=address,
            )
    return addresses


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(where[0]) for *_, where in found]


def may_be_called(address: Address, *, private: bool) -> bool:
    """Whether a request may go to this address: it is public, or ``private`` allows any host's."""
    if private:
        plain = getattr(address, "ipv4_mapped", None) or address
        return not (plain.is_multicast or plain.is_unspecified or _within(plain, _NEVER))
    if address.version == 4:
        return not _within(address, _NOT_PUBLIC_4)
    if getattr(address, "scope_id", None) or address not in _PUBLIC_6:
        return False
    is_isatap = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
    return not is_isatap and not _within(address, _NOT_PUBLIC_6)


def _within(address: Address, networks: Sequence[Any]) -> bool:
    return any(address.version == each.version and address in each for each in networks)
