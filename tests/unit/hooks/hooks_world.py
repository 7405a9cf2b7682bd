"""What the tests of receiving share: sources, a platform of the tests' own, signed posts."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.test import Client

from neural.hooks.models import StoreCode, WebhookSource
from neural.hooks.platforms.base import (
    PLATFORMS,
    Answer,
    CannotTranslate,
    Credential,
    Platform,
    Push,
    PushUnreadable,
    SignatureRefused,
    Translated,
    register_platform,
)
from tests.registries import forget
from tests.unit.factories import make_store

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 24).decode()
LOW = {"type": "inventory.low", "data": {"item": "flour", "level": 3}}


def source(name: str = "kitchen", *, store: str = "", **fields: Any) -> WebhookSource:
    """A source of Standard Webhooks, unless fields say otherwise."""
    values = {"platform": "standard", "credentials": {"secret": SECRET}}
    home = make_store(store) if store else None
    return WebhookSource.objects.create(name=name, store=home, **(values | fields))


def map_code(of: WebhookSource, code: str, store: str) -> StoreCode:
    return StoreCode.objects.create(source=of, code=code, store=make_store(store))


def sign(push_id: str, sent: int, body: bytes, secret: str = SECRET) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{push_id}.{sent}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def post(
    body: Any = LOW, push_id: str = "p1", *, name: str = "kitchen", age: float = 0, **headers: Any
) -> Any:
    """Post a push as a sender of Standard Webhooks does; ``headers`` replace its own."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = int(time.time() - age)
    given = {
        "webhook_id": push_id,
        "webhook_timestamp": str(sent),
        "webhook_signature": sign(push_id, sent, raw),
    } | headers
    named = {name.replace("_", "-"): value for name, value in given.items()}
    return Client().post(f"/hooks/{name}", raw, content_type="application/json", headers=named)


class Till(Platform):
    """A platform that a test tells what to do. Its signature is the secret itself; a push names ids
    only, and its events are fetched."""

    name = "till"
    label = "Till"
    credentials = (
        Credential(name="secret", label="secret"),
        Credential(name="account", label="account", required=False, secret=False),
    )

    def __init__(self) -> None:
        self.url = ""
        self.breaks: dict[str, Exception] = {}
        self.reads = True

    def _may_break(self, step: str) -> None:
        if step in self.breaks:
            raise self.breaks[step]

    def verify(self, request: Any, credentials: Any, *, now: dt.datetime, tolerance: float) -> None:
        self._may_break("verify")
        if request.headers.get("x-till-signature") != credentials["secret"]:
            raise SignatureRefused("another signature")

    def read(self, request: Any) -> Push | None:
        self._may_break("read")
        if request.method == "GET":
            return None
        if not self.reads:
            raise PushUnreadable("not today")
        body = json.loads(request.body)
        at = body.get("at")
        return Push(
            push_id=body["id"],
            body=body,
            store_code=body.get("shop", ""),
            occurred_at=dt.datetime.fromisoformat(at) if at else None,
            headers={"x-topic": request.headers.get("x-topic", "")},
        )

    def answer(self, request: Any) -> Answer:
        self._may_break("answer")
        return Answer(body={"message": "收到"})

    def refusal(self, request: Any) -> Answer:
        self._may_break("refusal")
        return Answer(status=403, body={"message": "no"})

    def fetch(self, push: Push, credentials: Any, client: Any) -> Any:
        self._may_break("fetch")
        return client.get(f"{self.url}/{push.body['order']}", headers={"X-Key": "k3y"})

    def translate(self, push: Push, details: Any) -> Sequence[Translated]:
        self._may_break("translate")
        if details is None:
            raise CannotTranslate("the order was not fetched: enter the credentials")
        return [Translated(**each) for each in details["events"]]


@contextmanager
def till() -> Iterator[Till]:
    """The platform ``till``, registered within the block."""
    platform = Till()
    register_platform(platform)
    try:
        yield platform
    finally:
        forget(PLATFORMS, "till")


def push_to_till(body: Any, *, name: str = "shops", signature: str = "s3cret", **more: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"X-Till-Signature": signature, **more}
    return Client().post(f"/hooks/{name}", raw, content_type="application/json", headers=headers)
