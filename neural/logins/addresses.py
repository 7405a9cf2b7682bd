"""From where a request comes, as far as it can be believed."""

import ipaddress

from django.http import HttpRequest

from neural.logins.conf import conf

IPV6_SITE = 64
"""Bits: one customer has at least as many addresses as fit behind them."""


def address_of(request: HttpRequest | None) -> str:
    """The client's address; of IPv6 its network. Empty where there is none, as on a socket.

    ``X-Forwarded-For`` is written by whoever sends the request: only what the setting
    ``login_proxies`` says that proxies of one's own have added, counted from the end, is read.
    """
    if request is None:
        return ""
    proxies = conf().login_proxies
    if not proxies:
        return _network(request.META.get("REMOTE_ADDR", ""))
    named = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    # Fewer than there are proxies: it did not come through all of them.
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
