"""docs/reference/http.md: its programs in Python, run as they stand in both languages."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neural.api import limits
from neural.models import NeuralEvent
from tests.unit.api import api_world

NEVER = 0.01  # a second: none comes while a test runs
DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(params=["", "zh"], ids=["en", "zh"])
def page(request) -> dict[str, Any]:
    """What the page's blocks of the standard library define."""
    text = (DOCS / request.param / "reference" / "http.md").read_text()
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        if "urllib" in block:
            exec(block, names)
    return names


def low(event_id: str, **payload: Any) -> dict[str, Any]:
    event = {"type": "inventory.low", "store": "S01", "source": "T1", "event_id": event_id}
    return {**event, "payload": {"item": "flour", "level": 3, **payload}}


@pytest.mark.django_db(transaction=True)
def test_one_event_is_accepted_and_then_known(page, live_server, fake_broker):
    url, (_, key) = f"{live_server.url}/api/v1", api_world.key("S01")

    assert page["submit"](url, key, low("1")) == "accepted"
    assert page["submit"](url, key, low("1")) == "known"
    with pytest.raises(ValueError, match=r"payload\.level"):
        page["submit"](url, key, low("2", level="few"))
    assert page["submit"]("http://127.0.0.1:9", key, low("2")) == "later"


@pytest.mark.django_db(transaction=True)
def test_what_a_key_may_not_send_at_once_is_sent_after_a_pause_and_each_event_is_answered_once(
    page, live_server, fake_broker, settings, monkeypatch
):
    rate = {"api_rate_per_second": NEVER, "api_rate_burst": 5}
    settings.NEURAL = {**settings.NEURAL, **rate, "submit_chunk": 2}
    issued, key = api_world.key("S01")
    pauses: list[float] = []
    held = [limits.LocalBuckets()]

    def pause(seconds: float) -> None:
        assert len(pauses) < 20
        pauses.append(seconds)
        if seconds:  # as if it were long enough for all of the burst
            held.append(limits.LocalBuckets())

    monkeypatch.setattr(limits, "buckets", lambda: held[-1])
    monkeypatch.setitem(page, "time", SimpleNamespace(sleep=pause))  # no other thread's
    events = [low(str(n)) for n in range(11)] + [low("12", level="few")]
    held[0].take(f"key:{issued.prefix}", cost=5, rate=NEVER, burst=5)

    answers = list(page["send_all"](f"{live_server.url}/api/v1", key, events))

    assert [event for event, _ in answers] == events
    assert [answer["status"] for _, answer in answers] == [202] * 11 + [422]
    assert NeuralEvent.objects.count() == 11
    assert pauses[0] > pauses[1] == 5  # the first is what Retry-After says
