"""What all kinds of channels have in common. Imports no Django."""

import datetime as dt
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from neural.kit.outbound.answers import Answer, Post

TIMEOUT_SECONDS = 5.0
"""How long one attempt may take."""
MASK = "***"
_SHORTEST = 6
"""Shorter parts of an address, like ``send`` or ``v2``, are words and no keys."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message to people, in the language of its channel."""

    message_id: str
    """The same in every attempt."""
    type: str
    """``alert.raised``, ``alert.resolved`` and the like, for machines."""
    created_at: dt.datetime
    title: str
    """One line. Every title begins with the same word, an all-clear's too: keyword filters of
    robots would drop the others."""
    lines: Sequence[str]
    is_critical: bool = False
    is_all_clear: bool = False
    link: str = ""
    """The address of the page about it; empty if there is none."""
    link_text: str = ""
    thread: str = ""
    """Messages about the same rule and subject have the same: an e-mail program shows them
    together."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The same for machines."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a channel's messages go. Nothing of it may appear in a log, a page or an error."""

    url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    addresses: Sequence[str] = field(default=(), repr=False)


class HttpKind(ABC):
    """A kind of channel that is sent to by an HTTP request."""

    hosts: tuple[str, ...] = ()
    """The hosts of its platform; empty for any host."""
    has_secret = True

    @abstractmethod
    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        """The request for one attempt, signed as of now."""

    @abstractmethod
    def judge(self, status: int, body: bytes) -> Answer:
        """What an answer means: a success needs the right status and the right code in the body."""


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
    if address.scheme not in ("http", "https"):  # Apprise has keys where others have a host
        found |= set(re.split(r"[@:]", address.netloc))
    found |= {address.path, f"{address.path}?{address.query}"}
    found |= {value for _, value in parse_qsl(address.query)}
    found |= {each for each in re.split(r"[/?&=]", f"{address.path}?{address.query}") if each}
    spelled = {form for each in found for form in (each, unquote(each), quote(each, safe=""))}
    words = {"webhook", "cgi-bin", "open-apis", "access_token", "services"}
    whole = {destination.url, destination.secret} - {""}
    return whole | ({each for each in spelled if len(each) >= _SHORTEST} - words)
