"""The base class of platforms, what passes through it, and how signatures and times of requests are
checked. Imports no Django."""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from neural.kit.errors import NeuralError, PermanentError
from neural.kit.registry import Registry


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
class Signed:
    """The signature of a request and the ones that it may have."""

    given: str | None
    right: Sequence[str]
    at: Callable[[], dt.datetime | None] = lambda: None
    """Reads the signed time, once the signature was found right."""


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
class Asked:
    """What a platform's server is asked for: what changed in this time at one store."""

    store_code: str
    """The platform's code of the store; empty where the account is asked as a whole."""
    start: dt.datetime
    """The beginning of a day, in the store's time zone."""
    end: dt.datetime
    """The beginning of the next day."""
    page: str = ""
    """What the page before said in ``following``; empty for the first."""
    shared: dict[str, Any] = field(default_factory=dict)
    """Kept from page to page while the process works on them, like an access token."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Something that a platform's server lists, as the push that would have told it."""

    push: Push
    """Its id changes with the state that it tells."""
    details: Any = None
    """What ``fetch`` would return for it; None to have it fetched."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a list."""

    listed: Sequence[Listed]
    following: str = ""
    """Leads to the next page; empty if this was the last one."""


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


def gettext_noop(text: str) -> str:
    """Marks a label for translation: the admin translates it, this package knows no Django."""
    return text


API_URL = Credential(
    name="api_url", label=gettext_noop("Address of the API"), required=False, secret=False
)
"""Of platforms whose server is asked for details."""


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
    api: ClassVar[str] = ""
    """The address of the platform's server, unless the source has another one."""
    listing_needs: ClassVar[Sequence[str] | None] = None
    """The credentials without which ``list_page`` cannot ask; None for a platform whose server has
    nothing to ask, so that nobody asks it what was missed."""
    lists_days: ClassVar[bool] = True
    """Whether it is asked about a day of each store; False if it lists once what it could not push
    in the account."""
    ids_are_unique: ClassVar[bool] = False
    """Whether no two orders of all stores of an account have one id, and the events of an order
    have ids that begin with it and a colon. If so, an order stays with the store that has it."""
    resent_for: ClassVar[float | None] = None
    """For how many seconds a push is sent again as it was; None where no time is signed."""
    sends_once: ClassVar[bool] = False
    """Whether a push never comes again, whatever it is answered. What cannot be checked when it
    comes, because a credential is missing, is kept and checked when it is given to its store."""

    def verify(
        self, request: Received, credentials: Credentials, *, now: dt.datetime, tolerance: float
    ) -> None:
        """Raise :class:`SignatureRefused` unless the request is the platform's own.

        ``tolerance`` is in seconds, for platforms that sign a time. Override this, or ``signed``.
        """
        try:
            signed = self.signed(request, credentials)
            if signed is None:
                return
            must_match(signed.given, *signed.right)
            if self.resent_for is not None:
                within = {"tolerance": tolerance, "resent_for": self.resent_for}
                must_be_timely(signed.at(), now=now, **within)
        except (PushUnreadable, CannotTranslate) as wrong:
            raise SignatureRefused(f"what is signed cannot be read: {wrong}") from None

    def signed(self, request: Received, credentials: Credentials) -> Signed | None:
        """What ``verify`` compares; None if there is nothing to sign, as in a probe of the
        address."""
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

    def list_page(self, asked: Asked, credentials: Credentials, client: Client) -> Page:
        """One page of what was pushed, or should have been, in a day of a store.

        Listing changes nothing on the platform's side: it may be asked again at any time.
        """
        raise NotImplementedError

    def api_of(self, credentials: Credentials) -> str:
        """The address of the server that a source asks."""
        return (credentials.get(API_URL.name) or self.api).rstrip("/")

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        """The events of a push and its fetched details; none for a push of no interest.

        Pure. Raises :class:`CannotTranslate`.
        """
        raise NotImplementedError

    def translate_alone(self, push: Push) -> Sequence[Translated]:
        """The events that a push tells by itself, which are recorded at once if its details cannot
        be fetched yet; ``translate`` tells them again, later and the same."""
        return ()


PLATFORMS: Registry[Platform] = Registry("platform")


def register_platform(platform: Platform) -> Platform:
    """Make a platform available to webhook sources."""
    return PLATFORMS.add(platform.name, platform)


def needed(credentials: Credentials, name: str) -> str:
    """A credential. A signature is never compared with one that is made with an empty secret."""
    value = credentials.get(name)
    if not isinstance(value, str) or not value:
        raise SignatureRefused(f"the source has no {name}: enter it in the admin")
    return value


def must_match(given: str | None, *right: str) -> None:
    """Raise :class:`SignatureRefused` unless one of the right ones is given, in constant time."""
    if not given:
        raise SignatureRefused("the request has no signature")
    # Every pair is compared, so that the time tells nothing.
    matches = [hmac.compare_digest(_bytes(given), _bytes(each)) for each in right]
    if not any(matches):
        raise SignatureRefused("the signature is wrong")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def hmac_sha256(secret: str, message: bytes) -> bytes:
    return hmac.new(_bytes(secret), message, hashlib.sha256).digest()


def base64_hmac(secret: str, message: bytes) -> str:
    return base64.b64encode(hmac_sha256(secret, message)).decode()


def md5(text: str) -> str:
    """For platforms that sign with MD5. They leave no choice."""
    return hashlib.md5(_bytes(text), usedforsecurity=False).hexdigest()


def must_be_timely(
    signed: dt.datetime | None, *, now: dt.datetime, tolerance: float, resent_for: float
) -> None:
    """Raise :class:`SignatureRefused` for a signed time that is missing, ahead or too old.

    ``resent_for`` is how long the platform sends a push again as it was: until then an old time
    is no sign of a replay, and the push's id tells one.
    """
    if signed is None or signed.utcoffset() is None:
        raise SignatureRefused("the request has no time that can be read")
    age = (now - signed).total_seconds()
    if age > tolerance + resent_for:
        raise SignatureRefused(f"the request is {age:.0f} s old")
    if -age > tolerance:
        raise SignatureRefused(f"the request is {-age:.0f} s ahead of our clock")
