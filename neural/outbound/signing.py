"""Signatures of Standard Webhooks 1.0.0 (standardwebhooks.com). Imports no Django.

The signed content is ``{id}.{timestamp}.{body}``; a signature is ``v1,`` and the base64 of its
HMAC-SHA256. Several secrets give several signatures, separated by spaces.
"""

import base64
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


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
