"""What an answer to something that we sent means. Imports no Django."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

GONE = 410
_MOVED = (301, 308)


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
    """It cannot succeed before a person has corrected something."""


@dataclass(frozen=True)
class Answer:
    """The outcome of an attempt: what it means, and the answer's own code and words."""

    verdict: Verdict
    code: str
    """The platform's code, or a word of ours where there is no answer."""
    text: str = ""
    wait_seconds: float | None = None
    """How long the server wants us to wait, if it said so or is known to."""
    status: int | None = None
    """Of HTTP; None if there was no answer by it."""
    seconds: float = 0.0
    """How long the request took."""

    def __str__(self) -> str:
        return f"{self.code}: {self.text}" if self.text else self.code


def by_status(status: int, body: bytes) -> Answer:
    """What an answer means of which only the status counts."""
    if 200 <= status < 300:
        verdict = Verdict.SENT
    else:
        is_wrong = status == GONE or status in _MOVED
        verdict = Verdict.MISCONFIGURED if is_wrong else Verdict.LATER
    return Answer(verdict, f"HTTP {status}", body.decode("utf-8", "replace"))
