"""Pushes that belong to no store yet: keeps genuine requests raw that cannot be recorded as
events of a store, and gives them to their stores once a person has entered what was missing."""

import base64
import logging
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.db import transaction
from django.db.models.signals import post_save

from neural.events.answers import Submission
from neural.events.redaction import error_text, is_credential
from neural.hooks.conf import conf
from neural.hooks.incoming.recording import (
    aware,
    bounded_id,
    by_webhook,
    hash_of,
    record,
    store_of,
    with_hash,
)
from neural.hooks.models import PushState, StoreCode, UnroutedPush, WebhookSource
from neural.hooks.platforms.base import PLATFORMS, Push, Received, SignatureRefused
from neural.kit.storable import escaped
from neural.ledger.record import enqueue
from neural.ledger.work import Snooze, checkpoint
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE

logger = logging.getLogger(__name__)

ROUTE_TASK = "neural.tasks.route_pushes"
SLICE = 100
_BASE64 = "base64"
_UNCHECKED = "unchecked"
"""In the payload of a push whose signature could not be checked when it came."""


def no_store(push: Push) -> str:
    """Why a push belongs to no store."""
    if push.store_code:
        return f"no store has the code {push.store_code!r}: enter it among the source's store codes"
    return "it names no store: choose a store for the source"


def refused(answer: Submission) -> str:
    """Why a push was not recorded."""
    return "; ".join(map(str, answer.problems))


def route(stored: UnroutedPush) -> bool:
    """Read a waiting push again and record it as an event of its store.

    Returns whether it was recorded (also before, as another copy of it). If not, its row says why.
    """
    with transaction.atomic():
        mine = UnroutedPush.objects.select_for_update(of=("self",)).filter(
            pk=stored.pk, state=PushState.WAITING
        )
        row = mine.select_related("source").first()
        if row is None:
            return False
        answer, reason, code = _recorded(row)
        if answer is None:
            mine.update(reason=escaped(reason, 500), store_code=code)
            return False
        mine.update(state=PushState.ROUTED, event=answer.event, reason="", store_code=code)
    return True


def _recorded(row: UnroutedPush) -> tuple[Submission | None, str, str]:
    """The answer to a recorded push, or why it was not recorded; and its store code."""
    platform = PLATFORMS.find(row.source.platform)
    if platform is None:
        reason = f"no installed app registers the platform {row.source.platform!r}"
        return None, reason, row.store_code
    try:
        request = request_of(row)
        if row.payload.get(_UNCHECKED):
            # As when it came, so that a signed time is no older now.
            tolerance = conf().hook_tolerance_seconds
            credentials = row.source.credentials
            platform.verify(request, credentials, now=row.received_at, tolerance=tolerance)
        push = platform.read(request)
    except SignatureRefused as wrong:
        return None, f"its signature is refused: {wrong}", row.store_code
    except Exception as error:  # noqa: BLE001 (a class of an app's own may raise anything)
        return None, f"it could not be read: {error_text(error)}", row.store_code
    if push is None:
        return None, "it pushes nothing: dismiss it", row.store_code
    code = escaped(str(push.store_code), 100)
    store = store_of(row.source, push)
    if store is None:
        return None, no_store(push), code
    answer = record(row.source, push, store=store)
    return (None, refused(answer), code) if answer.is_refused else (answer, "", code)


# When something was mended


def request_routing(source: WebhookSource) -> None:
    """Route the waiting pushes of a source in a run of the ledger, after the caller's commit.

    Also if none waits now: one may come before the commit, and not see what was mended.
    """
    enqueue(
        task=ROUTE_TASK,
        args=[],
        kwargs={"source": source.pk},
        queue=DEFAULT_QUEUE,
        priority=DEFAULT_PRIORITY,
        unique_key=f"{ROUTE_TASK} {source.pk}",
        requested_by=by_webhook(source.name),
    )


def route_waiting(*, source: int) -> dict[str, int]:
    """Route the waiting pushes of a source, slice by slice; returns counts.

    Idempotent: a push is recorded once, however often this is called.
    """
    done: dict[str, int] = checkpoint() or {"after": 0, "routed": 0, "waiting": 0}
    waiting = UnroutedPush.objects.filter(source=source, state=PushState.WAITING)
    rows = list(waiting.filter(pk__gt=done["after"]).order_by("pk")[:SLICE])
    for row in rows:
        done["routed" if route(row) else "waiting"] += 1
        done["after"] = row.pk
    if len(rows) == SLICE:
        raise Snooze(0, checkpoint=done)
    return {"routed": done["routed"], "waiting": done["waiting"]}


def connect() -> None:
    """Route what waits whenever a store code or a source is saved, by the admin or by code."""
    post_save.connect(_code_saved, sender=StoreCode, dispatch_uid="neural_hooks_code")
    post_save.connect(_source_saved, sender=WebhookSource, dispatch_uid="neural_hooks_source")


def _code_saved(instance: StoreCode, raw: bool = False, **_: Any) -> None:
    if not raw:
        request_routing(instance.source)


def _source_saved(
    instance: WebhookSource, raw: bool = False, created: bool = False, **_: Any
) -> None:
    if not (raw or created):
        request_routing(instance)


# Requests as they came


def keep_raw(
    source: WebhookSource,
    request: Received,
    *,
    reason: str,
    push: Push | None = None,
    is_checked: bool = True,
) -> UnroutedPush:
    """Keep a request as it came; returns its row, also if it was kept before.

    ``push`` is what could be read of it. Another content under the same push id gets a row of its
    own. A request that is not ``is_checked`` is genuine only if its signature is found right when
    it is routed.
    """
    content = written(request) | ({} if is_checked else {_UNCHECKED: True})
    given = escaped(str(push.push_id), 1000) if push else ""
    identity = bounded_id(
        given or f"request:{hash_of(_distinguishing(content['url'], request.body))}"
    )
    stored = _row(source, identity, content, reason, push)
    if stored.payload["body"] != content["body"]:
        stored = _row(source, with_hash(identity, content["body"]), content, reason, push)
    logger.warning("event=push_unrouted source=%s push=%s", source.name, stored.pk)
    return stored


def _distinguishing(url: str, body: bytes) -> bytes:
    """What tells one unread request from another: its body, and what its address says."""
    query = urlsplit(url).query
    return body if not query else query.encode() + b"\n" + body


def _row(
    source: WebhookSource, push_id: str, content: Any, reason: str, push: Push | None
) -> UnroutedPush:
    new = UnroutedPush(
        source=source,
        push_id=push_id,
        store_code=escaped(str(push.store_code), 100) if push else "",
        reason=escaped(reason, 500),
        payload=content,
        occurred_at=aware(push.occurred_at) if push else None,
    )
    UnroutedPush.objects.bulk_create([new], ignore_conflicts=True)
    return UnroutedPush.objects.get(source=source, push_id=push_id)


def written(request: Received) -> dict[str, Any]:
    """A request as JSON, without credentials: its body as text, or in base64 if it is no text that
    a database keeps."""
    headers = {
        escaped(name, 200): escaped(value, 4000)
        for name, value in request.headers.items()
        if not is_credential(name)
    }
    parts = urlsplit(request.url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    retained = [pair for pair in query if not is_credential(pair[0])]
    url = request.url
    if len(retained) < len(query):
        url = urlunsplit(parts._replace(query=urlencode(retained)))
    return {
        "method": request.method,
        "url": escaped(url),
        "headers": headers,
        **_written_body(request.body),
    }


def _written_body(body: bytes) -> dict[str, str]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return {"body": text}
    return {"body": base64.b64encode(body).decode(), "encoding": _BASE64}


def request_of(stored: UnroutedPush) -> Received:
    """The request that a row keeps."""
    content = stored.payload
    body: bytes = content["body"].encode()
    if content.get("encoding") == _BASE64:
        body = base64.b64decode(body)
    return Received(
        method=content["method"], url=content["url"], headers=content["headers"], body=body
    )
