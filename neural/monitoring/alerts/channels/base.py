"""What all kinds of channels have in common. Imports no Django."""

import datetime as dt
import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_SECONDS = 5.0
"""How long one attempt may take."""


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


@dataclass(frozen=True, kw_only=True)
class Post:
    """A POST request that is to be sent."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Verdict(enum.Enum):
    """What an attempt to send came to."""

    SENT = "sent"
    LATER = "later"
    """It may succeed later."""
    MISCONFIGURED = "misconfigured"
    """It cannot succeed before a person has corrected the channel."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The outcome of an attempt: what it means, and the answer's own code and words."""

    verdict: Verdict
    code: str
    """The platform's code, or a word of ours where there is no answer: see :mod:`explaining`."""
    answer: str = ""
    wait_seconds: float | None = None
    """How long the platform wants us to wait, if it said so or is known to."""

    def __str__(self) -> str:
        return f"{self.code}: {self.answer}" if self.answer else self.code


class HttpKind(ABC):
    """A kind of channel that is sent to by an HTTP request."""

    hosts: tuple[str, ...] = ()
    """The hosts of its platform; empty for any host."""
    has_secret = True

    @abstractmethod
    def build(self, message: Message, destination: Destination, *, now: dt.datetime) -> Post:
        """The request for one attempt, signed as of now."""

    @abstractmethod
    def judge(self, status: int, body: bytes) -> Judgement:
        """What an answer means: a success needs the right status and the right code in the body."""
