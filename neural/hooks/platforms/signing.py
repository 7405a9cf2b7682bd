"""Compares signatures and times of requests. Imports no Django."""

import base64
import datetime as dt
import hashlib
import hmac

from neural.hooks.platforms.base import Credentials, SignatureRefused


def gettext_noop(text: str) -> str:
    """Marks a label for translation: the admin translates it, this package knows no Django."""
    return text


def needed(credentials: Credentials, name: str) -> str:
    """A credential. A signature is never compared with one that is made with an empty secret."""
    value = credentials.get(name)
    if not isinstance(value, str) or not value:
        raise SignatureRefused(f"the source has no {name}: enter it in the admin")
    return value


def must_match(told: str | None, right: str) -> None:
    """Raise :class:`SignatureRefused` unless both are the same, in constant time."""
    if not told:
        raise SignatureRefused("the request has no signature")
    if not hmac.compare_digest(_bytes(told), _bytes(right)):
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
