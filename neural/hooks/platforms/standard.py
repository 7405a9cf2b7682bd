"""Standard Webhooks 1.0: any sender that can sign, such as a program of your own.

The sender posts JSON in one of three forms. A CloudEvent names our event type in ``type`` and our
payload in ``data``::

    {"specversion": "1.0", "id": "7", "source": "/kitchen", "type": "inventory.low",
     "time": "2026-11-25T18:30:00+08:00", "store": "S01", "data": {"item": "flour", "level": 3}}

The plain form has the arguments of ``neural.submit``; without ``event_id``, the id of the push is
that of the event::

    {"type": "inventory.low", "store": "S01", "event_id": "7",
     "occurred_at": "2026-11-25T18:30:00+08:00", "payload": {"item": "flour", "level": 3}}

The form that Standard Webhooks recommends has ``data`` and ``timestamp``::

    {"type": "inventory.low", "store": "S01", "timestamp": "2026-11-25T10:30:00Z",
     "data": {"item": "flour", "level": 3}}

``store`` is the sender's code of the store. It may be left out if the source belongs to one store.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from neural.hooks.platforms.base import (
    CannotTranslate,
    Credential,
    Credentials,
    Platform,
    Push,
    PushUnreadable,
    Received,
    SignatureRefused,
    Translated,
)

_ = str  # marks a text for translation; the admin translates it

_VERSION = "v1"
_PREFIX = "whsec_"
_MOST_SIGNATURES = 20
_LONGEST_ID = 200


class StandardWebhooks(Platform):
    """Pushes of any sender that signs by Standard Webhooks."""

    name = "standard"
    label = _("Standard Webhooks")
    credentials = (Credential(name="secret", label=_("secrets (whsec_…), separated by spaces")),)
    documents = (
        "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
        "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md",
    )

    def verify(
        self, request: Received, credentials: Credentials, *, now: dt.datetime, tolerance: float
    ) -> None:
        """A ``v1`` signature (HMAC-SHA256 over id, time and body) by any of the secrets, and a time
        within the tolerance."""
        push_id, sent, signatures = _headers(request)
        signed = f"{push_id}.{sent}.".encode() + request.body
        expected = [
            base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest())
            for secret in _secrets(credentials["secret"])
        ]
        # Every pair is compared, so that the time tells nothing.
        matches = [hmac.compare_digest(one, each) for one in expected for each in signatures]
        if not any(matches):
            raise SignatureRefused("no v1 signature is right")
        if abs(now.timestamp() - int(sent)) > tolerance:
            raise SignatureRefused("webhook-timestamp is outside of the tolerance")

    def read(self, request: Received) -> Push | None:
        """The JSON body, under the id of the header."""
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise PushUnreadable("the body is not JSON") from None
        if not isinstance(body, Mapping):
            raise PushUnreadable("the body is not a JSON object")
        return Push(
            push_id=request.headers["webhook-id"],
            body=body,
            store_code=_text(body.get("store")),
            occurred_at=_time(body),
        )

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        """The event that the body is."""
        body = push.body
        payload = body.get("payload", body.get("data"))
        if not isinstance(payload, Mapping):
            raise CannotTranslate("the body has no object 'data' (or 'payload'): mend the sender")
        if not isinstance(body.get("type"), str):
            raise CannotTranslate("the body has no text 'type': mend the sender")
        given = _text(body.get("event_id")) or _text(body.get("id"))
        return [
            Translated(
                type=body["type"],
                event_id=given or push.push_id,
                payload=payload,
                occurred_at=_text(_stated_time(body)) or push.occurred_at,
            )
        ]


def _headers(request: Received) -> tuple[str, str, list[bytes]]:
    """The id, the time and the v1 signatures of a request."""
    push_id = request.headers.get("webhook-id", "")
    sent = request.headers.get("webhook-timestamp", "")
    if not push_id or len(push_id) > _LONGEST_ID or not push_id.isprintable():
        raise SignatureRefused("webhook-id is missing or no id")
    if not (sent.isascii() and sent.isdigit() and len(sent) < 13):
        raise SignatureRefused("webhook-timestamp is missing or no number of seconds")
    given = request.headers.get("webhook-signature", "").split()[:_MOST_SIGNATURES]
    pairs = [each.partition(",") for each in given]
    return push_id, sent, [text.encode() for version, _, text in pairs if version == _VERSION]


def _secrets(text: str) -> list[bytes]:
    """The keys in the credential; a secret that is no base64 is none."""
    keys = []
    for secret in text.split():
        try:
            keys.append(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
        except (binascii.Error, ValueError):
            continue
    if not any(keys):
        raise SignatureRefused("the source has no secret of the form whsec_ and base64")
    return [key for key in keys if key]


def _stated_time(body: Mapping[str, Any]) -> Any:
    return body.get("occurred_at") or body.get("time") or body.get("timestamp")


def _time(body: Mapping[str, Any]) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(_text(_stated_time(body)))
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
