"""Keeps genuine requests raw that cannot be recorded as events of a store yet."""

import base64
import datetime as dt
import logging
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from neural.events.credentials import is_credential
from neural.events.readable import escaped, storable
from neural.hooks.incoming.identity import bounded_id, hash_of, with_hash
from neural.hooks.models import UnroutedPush, WebhookSource
from neural.hooks.platforms.base import Push, Received

logger = logging.getLogger(__name__)

_BASE64 = "base64"


def keep_raw(
    source: WebhookSource, request: Received, *, reason: str, push: Push | None = None
) -> UnroutedPush:
    """Keep a genuine request as it came; returns its row, also if it was kept before.

    ``push`` is what could be read of it. Another content under the same push id gets a row of its
    own.
    """
    content = written(request)
    given = storable(str(push.push_id), 1000) if push else ""
    identity = bounded_id(given or f"request:{hash_of(_told(content['url'], request.body))}")
    kept = _row(source, identity, content, reason, push)
    if kept.payload["body"] != content["body"]:
        kept = _row(source, with_hash(identity, content["body"]), content, reason, push)
    logger.warning("event=push_unrouted source=%s push=%s", source.name, kept.pk)
    return kept


def _told(url: str, body: bytes) -> bytes:
    """What tells one unread request from another: its body, and what its address says."""
    query = urlsplit(url).query
    return body if not query else query.encode() + b"\n" + body


def _row(
    source: WebhookSource, push_id: str, content: Any, reason: str, push: Push | None
) -> UnroutedPush:
    fresh = UnroutedPush(
        source=source,
        push_id=push_id,
        store_code=storable(str(push.store_code), 100) if push else "",
        reason=storable(reason, 500),
        payload=content,
        occurred_at=_aware(push.occurred_at) if push else None,
    )
    UnroutedPush.objects.bulk_create([fresh], ignore_conflicts=True)
    return UnroutedPush.objects.get(source=source, push_id=push_id)


def _aware(moment: Any) -> dt.datetime | None:
    """A time that the database can keep: one without a time zone is not."""
    if not isinstance(moment, dt.datetime) or moment.utcoffset() is None:
        return None
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        return None


def written(request: Received) -> dict[str, Any]:
    """A request as JSON, without credentials: its body as text, or in base64 if it is no text that
    a database keeps."""
    headers = {
        storable(name, 200): storable(value, 4000)
        for name, value in request.headers.items()
        if not is_credential(name)
    }
    return {
        "method": request.method,
        "url": escaped(_without_credentials(request.url)),
        "headers": headers,
        **_written_body(request.body),
    }


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [pair for pair in query if not is_credential(pair[0])]
    return url if len(kept) == len(query) else urlunsplit(parts._replace(query=urlencode(kept)))


def _written_body(body: bytes) -> dict[str, str]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return {"body": text}
    return {"body": base64.b64encode(body).decode(), "encoding": _BASE64}


def request_of(kept: UnroutedPush) -> Received:
    """The request that a row keeps."""
    content = kept.payload
    body: bytes = content["body"].encode()
    if content.get("encoding") == _BASE64:
        body = base64.b64decode(body)
    return Received(
        method=content["method"], url=content["url"], headers=content["headers"], body=body
    )
