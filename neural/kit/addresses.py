"""The address from which a request comes, as far as one's own proxies vouch for it."""

import ipaddress

from django.http import HttpRequest

IPV6_SITE = 64
"""Prefix length in bits: one customer has at least all the addresses behind such a prefix."""


def client_address(request: HttpRequest, *, proxies: int) -> str:
    """The client's address, or its network for IPv6. Empty if there is none, as on a socket.

    Anyone who sends a request can write ``X-Forwarded-For``. So only the entries added by one's own
    proxies are read: as many as ``proxies`` says, counted from the end.
    """
    if not proxies:
        return _network(request.META.get("REMOTE_ADDR", ""))
    named = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    # Fewer entries than proxies: the request did not come through all of them.
    return _network(named[-proxies]) if len(named) >= proxies else ""


def _network(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), IPV6_SITE), strict=False))
