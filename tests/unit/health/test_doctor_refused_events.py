"""`manage.py doctor` counts the refused events that wait for a person."""

import pytest

import neural
from neural.health import Status, runs
from neural.health.situation import Situation
from neural.models import RefusedEvent
from tests.unit.factories import ago
from tests.unit.health.doctoring import is_found

pytestmark = pytest.mark.django_db


def refuse(*keys: str) -> None:
    asked = {"type": "order.created", "store": "S1", "source": "till", "payload": {"order_id": "1"}}
    list(neural.submit_many({**asked, "event_id": key} for key in keys))


def test_refused_events_of_the_last_day_are_counted():
    assert runs.refused_events(Situation()).status == Status.OK
    refuse("1", "2", "3", "4")
    RefusedEvent.objects.filter(event_id="1").update(last_refused_at=ago(days=2))
    RefusedEvent.objects.get(event_id="2").dismiss(by="lee")

    assert is_found(
        runs.refused_events(Situation()),
        Status.WARNING,
        "2 events were refused in the last 24 h, such as order.created",
        "of store S1 (payload.lines: Field required)",
        "in the admin under Refused events",
    )


def test_looking_for_refused_events_ends_however_many_there_are(monkeypatch):
    monkeypatch.setattr(runs, "COUNTED", 3)
    refuse(*"12345")

    assert runs.refused_events(Situation()).found.startswith("3 events or more were refused")
