"""The base class of platforms and what passes through it. Imports no Django."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from neural.errors import NeuralError, PermanentError
from neural.registry import Registry


class SignatureRefused(NeuralError):
    """A request is not from the platform, or too old. The text is logged, never answered."""


class PushUnreadable(NeuralError):
    """A genuine push is not in the platform's form. It is kept raw all the same."""


class CannotTranslate(PermanentError):
    """A push cannot be translated, until a person changes something; says what."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request as it arrived."""

    method: str
    url: str
    """The address as the platform knows it, with its query."""
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Push:
    """What the platform pushed, read but not translated."""

    push_id: str
    """The same for the same push again, at most 200 characters."""
    body: Any
    """JSON, or the decoded fields of a form as an object."""
    store_code: str = ""
    """The platform's code of the store; empty if the push does not name it."""
    occurred_at: dt.datetime | None = None
    """The platform's time of the change; None if it does not say."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers that translating needs, like a topic. Never credentials."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the platform is answered."""

    status: int = 200
    body: Any = None
    """JSON; None for an empty body."""


@dataclass(frozen=True, kw_only=True)
class Translated:
    """One event in the normal form, as :func:`neural.submit` takes it. Store and source are
    added."""

    type: str
    event_id: str
    payload: Mapping[str, Any]
    occurred_at: dt.datetime | str | None = None


@dataclass(frozen=True, kw_only=True)
class Credential:
    """One credential that the platform's account needs, a field of the admin's form."""

    name: str
    label: Any
    required: bool = True
    secret: bool = True
    """Shown in the admin only if False."""


class Client(Protocol):
    """Asks a platform's server. Times out, limits the answer's size, and raises
    :class:`neural.hooks.incoming.fetching.FetchFailed` for an answer that is not 2xx."""

    def get(self, url: str, *, headers: Mapping[str, str] = ...) -> Any:
        """The JSON of an answer."""

    def post(self, url: str, *, json: Any, headers: Mapping[str, str] = ...) -> Any:
        """The JSON of an answer to a JSON body."""

    def post_form(
        self, url: str, *, fields: Mapping[str, str], headers: Mapping[str, str] = ...
    ) -> Any:
        """The JSON of an answer to a form."""


Credentials = Mapping[str, str]


class Platform:
    """How one platform pushes. Subclass it, and register an instance with
    :func:`register_platform` in your app's ``neural_platforms.py``.

    ``verify`` and ``read`` are called while the platform waits; ``fetch`` and ``translate`` later,
    in a run of the ledger that is retried.
    """

    name: ClassVar[str]
    """In the admin and in addresses, like ``square``."""
    label: ClassVar[Any]
    credentials: ClassVar[Sequence[Credential]] = ()
    documents: ClassVar[Sequence[str]] = ()
    """The public documents that this class follows."""

    def verify(
        self, request: Received, credentials: Credentials, *, now: dt.datetime, tolerance: float
    ) -> None:
        """Raise :class:`SignatureRefused` unless the request is the platform's own.

        ``tolerance`` is in seconds, for platforms that sign a time.
        """
        raise NotImplementedError

    def read(self, request: Received) -> Push | None:
        """What the request pushed; None if there is nothing to keep, like a probe of the address.

        Raises :class:`PushUnreadable`.
        """
        raise NotImplementedError

    def answer(self, request: Received) -> Answer:
        """The answer that the platform takes for 'received', also to a push that came before."""
        return Answer()

    def refusal(self, request: Received) -> Answer:
        """The answer to a request with a wrong signature."""
        return Answer(status=401)

    def fetch(self, push: Push, credentials: Credentials, client: Client) -> Any:
        """The details of a push that names only ids, from the platform's server; None if the push
        says everything."""
        return None

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        """The events of a push and its fetched details; none for a push of no interest.

        Pure. Raises :class:`CannotTranslate`.
        """
        raise NotImplementedError


PLATFORMS: Registry[Platform] = Registry("platform")


def register_platform(platform: Platform) -> Platform:
    """Make a platform available to webhook sources."""
    return PLATFORMS.add(platform.name, platform)
