"""Signatures of Standard Webhooks 1.0.0 (standardwebhooks.com). Imports no Django.

The signed content is ``{id}.{timestamp}.{body}``; a signature is ``v1,`` and the base64 of its
HMAC-SHA256. Several secrets give several signatures, separated by spaces.
"""

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"
_BYTES = 32
"""The specification asks for 24 to 64."""


def new_secret() -> str:
    """A new random secret, as the receiver gets it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signatures(secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header ``webhook-signature``; ``timestamp`` is in Unix seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets)


def headers(
    secrets: Sequence[str], *, message_id: str, body: bytes, user_agent: str, now: dt.datetime
) -> dict[str, str]:
    """The headers of one attempt to send a JSON body, signed as of now with each secret. The id is
    that of the message, so that a receiver sees a repetition."""
    timestamp = int(now.timestamp())
    signed = signatures(secrets, message_id=message_id, timestamp=timestamp, body=body)
    return {
        "Content-Type": "application/json",
        "User-Agent": user_agent,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signed,
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
