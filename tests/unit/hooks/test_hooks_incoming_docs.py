"""What docs/how-to/incoming-webhooks.md shows is what runs."""

import hashlib
import hmac
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from django.test import Client

import neural
from neural.hooks.conf import HookSettings
from neural.hooks.platforms import eleme, meituan, square, toast
from neural.hooks.platforms.base import PLATFORMS
from neural.models import NeuralEvent, TaskRun
from neural.restaurant.models import Order
from tests.registries import forget
from tests.unit.hooks.hooks_world import LOW, OLD_SECRET, SECRET, map_code, post, source
from tests.unit.hooks.test_hooks_incoming_translating import server  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "how-to" / "incoming-webhooks.md").read_text()
ORDER = {
    "id": "77",
    "version": 3,
    "status": "PAID",
    "changed_at": "2026-11-25T18:30:00+08:00",
    "currency": "CNY",
    "total": "42.00",
    "items": [{"sku": "mapo", "count": 2, "price": "21.00"}],
}


@pytest.fixture
def acme():
    (code,) = re.findall(r"neural_platforms\.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "acme/neural_platforms.py", "exec"), {"__name__": "acme"})
    yield
    forget(PLATFORMS, "acme")


def push(body: bytes, secret: bytes = b"s3cret", age: float = 0):
    sent = str(int(time.time() - age))
    signature = hmac.new(secret, sent.encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Acme-Time": sent, "X-Acme-Signature": signature}
    return Client().post("/hooks/kiosks", body, content_type="application/json", headers=headers)


def test_the_platform_that_is_shown_takes_pushes_and_states_orders(acme, server):  # noqa: F811
    server.answers = [(200, {}, ORDER)]
    credentials = {"secret": "s3cret", "token": "t0ken", "server": server.url}
    map_code(source("kiosks", platform="acme", credentials=credentials), "0012", "S1")
    body = json.dumps({"event": "e1", "shop": "0012", "order": "77"}).encode()

    assert push(body, secret=b"forged").status_code == 401
    assert push(body, age=900).status_code == 401
    assert push(body).status_code == 200
    neural.run_due()

    assert NeuralEvent.objects.get(type="order.stated").event_id == "77:3"
    assert Order.objects.get().total == 42
    assert server.asked[0][2]["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("shown", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_each_form_of_a_senders_body_is_an_event(shown):
    map_code(source(), "S01", "S1")

    assert post(shown.encode()).status_code == 200
    neural.run_due()

    event = NeuralEvent.objects.get(type="inventory.low")
    assert event.payload == {"item": "flour", "level": 3}
    assert event.occurred_at.isoformat() == "2026-11-25T10:30:00+00:00"
    assert not TaskRun.objects.dead().exists()


@pytest.mark.parametrize("tree", [DOCS, DOCS / "zh"], ids=["en", "zh"])
@pytest.mark.parametrize(
    ("platform", "seconds"),
    [
        ("Square", square.Square.resent_for),
        ("(?:Eleme, Meituan|饿了么、美团)", eleme.Eleme.resent_for),
        ("Toast", toast.Toast.resent_for),
        ("Standard Webhooks", 0),
    ],
)
def test_the_times_for_which_signatures_are_taken_are_those_of_the_code(tree, platform, seconds):
    assert eleme.Eleme.resent_for == meituan.Meituan.resent_for  # they share a row
    text = (tree / "how-to" / "incoming-webhooks.md").read_text()
    (told,) = re.findall(rf"^\| {platform} \|(.*)", text, re.MULTILINE)
    hours, minutes = (
        re.search(rf"(\d+) {unit}", told) for unit in ("(?:hours|小时)", "(?:minutes|分钟)")
    )
    assert minutes is not None
    stated = (int(hours[1]) if hours else 0) * 3600 + int(minutes[1]) * 60
    assert stated == seconds + HookSettings().hook_tolerance_seconds


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["", "zh"])
def test_the_sender_that_is_shown_is_believed_under_its_secret_alone(language, live_server):
    text = (DOCS / language / "how-to" / "incoming-webhooks.md").read_text()
    (code,) = re.findall(r"```python\n(import base64\n.*?)```", text, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    source(store="S1")
    address = f"{live_server.url}/hooks/kitchen"

    assert shown["push"](address, SECRET, "p1", LOW) == 200
    assert shown["push"](address, SECRET, "p1", LOW) == 200
    with pytest.raises(HTTPError, match="401"):
        shown["push"](address, OLD_SECRET, "p2", LOW)
    assert NeuralEvent.objects.count() == 1
