"""Takes addresses and secrets out of texts that are shown or kept. Imports no Django."""

import re
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from neural.monitoring.alerts.channels.base import Destination

MASK = "***"
_SHORTEST = 6
"""Shorter parts of an address, like ``send`` or ``v2``, are words and no keys."""


def masked(text: str, destination: Destination) -> str:
    """The text without anything of a destination that is secret, however it is spelled: a server
    may repeat in its answer what it got."""
    for part in sorted(secret_parts(destination), key=len, reverse=True):
        text = text.replace(part, MASK)
    return text


def secret_parts(destination: Destination) -> set[str]:
    """The texts that may not be shown: the secret, the address, and the keys in it."""
    address = urlsplit(destination.url)
    found = {destination.url, destination.secret, destination.secret.removeprefix("whsec_")} - {""}
    found |= {address.path, f"{address.path}?{address.query}"}
    found |= {value for _, value in parse_qsl(address.query)}
    found |= {each for each in re.split(r"[/?&=]", f"{address.path}?{address.query}") if each}
    spelled = {form for each in found for form in (each, unquote(each), quote(each, safe=""))}
    words = {"webhook", "cgi-bin", "open-apis", "access_token", "services"}
    whole = {destination.url, destination.secret} - {""}
    return whole | ({each for each in spelled if len(each) >= _SHORTEST} - words)
