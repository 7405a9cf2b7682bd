"""What the contract suite knows of a platform."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neural.hooks.platforms.base import Answer, Platform, Push, Received

NOW = dt.datetime(2026, 11, 27, 4, 0, tzinfo=dt.UTC)
ADDRESS = "https://chain.example.com/hooks/till"


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """One push as a public document has it."""

    name: str
    document: str
    """What it was made from, and what of it is ours."""
    body: Any
    """JSON, or the fields of a form."""
    expect: Sequence[tuple[str, Mapping[str, Any]]]
    """The events that it is translated into: the type, and a part of the payload."""
    details: Any = None
    """What the platform's server says of it, if it is asked."""
    headers: Mapping[str, str] = field(default_factory=dict)
    store_code: str = ""


@dataclass(frozen=True, kw_only=True)
class PlatformCase:
    """A platform and how it writes and signs what it pushes."""

    platform: Platform
    credentials: Mapping[str, str]
    """All of them, with those that can be left out."""
    secret: str
    """The credential that signs."""
    write: Callable[[Any, dt.datetime], bytes]
    """A body as the platform writes it at this moment."""
    sign: Callable[[bytes, Mapping[str, str]], Received]
    pushes: Sequence[Pushed]
    answer: Answer
    refusal: Answer = field(default_factory=lambda: Answer(status=401))
    resent_for: float | None = None
    """How long the platform sends a push again; None if no time is signed."""
    body_is_signed: bool = True
    answer_to: Callable[[Received], Answer] | None = None
    """What differs from push to push; None if every push has the same answer."""

    @property
    def name(self) -> str:
        return self.platform.name

    def request(self, pushed: Pushed, now: dt.datetime = NOW) -> Received:
        """A genuine request."""
        signed = self.sign(self.write(pushed.body, now), self.credentials)
        return Received(
            method=signed.method,
            url=signed.url,
            headers={**signed.headers, **pushed.headers},
            body=signed.body,
        )

    def answered(self, request: Received) -> Answer:
        """What the platform documents as the answer to a request."""
        return self.answer_to(request) if self.answer_to else self.answer

    def verify(self, request: Received, now: dt.datetime = NOW, **credentials: str) -> None:
        self.platform.verify(request, {**self.credentials, **credentials}, now=now, tolerance=300)

    def push(self, pushed: Pushed) -> Push:
        push = self.platform.read(self.request(pushed))
        assert push is not None
        return push
