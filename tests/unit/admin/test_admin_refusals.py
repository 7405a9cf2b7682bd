"""Refused events in the admin: seen by store, searched, corrected, dismissed."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

import neural
from neural.events.admin import refused_events
from neural.models import NeuralEvent, RefusedEvent, TaskRun
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

SEES = "view_refusedevent"
CORRECTS = (SEES, "correct_refusedevent")
LINES = [{"dish": "面", "quantity": 1, "price": "3.50"}]


@pytest.fixture(autouse=True)
def _no_broker(fake_broker):
    """What is submitted here is sent nowhere."""


def refused(event_id="e1", **fields):
    given = {"type": "order.created", "store": "S1", "source": "till"}
    payload = fields.pop("payload", {"order_id": "7", "lines": "none"})
    neural.submit(**{**given, "event_id": event_id, "payload": payload, **fields})
    return RefusedEvent.objects.order_by("-pk")[0]


def form(**fields):
    """What the browser sends."""
    given = {"type": "order.created", "store": "S1", "source": "till", "event_id": "e1"}
    payload = json.dumps({"order_id": "7", "lines": LINES}, ensure_ascii=False)
    times = {"occurred_at": "2026-03-01T12:30:00+08:00", "queue": "", "priority": ""}
    return {**given, **times, "payload": payload, **fields}


def correcting(row):
    return reverse("admin:neural_refusedevent_correct", args=[row.pk])


LIST = reverse("admin:neural_refusedevent_changelist")


def listed(client, query=""):
    return [row.event_id for row in client.get(f"{LIST}{query}").context["cl"].result_list]


def test_the_list_names_what_was_refused_how_often_and_why():
    refused()
    refused()
    page = world.client_of(SEES).get(LIST).content.decode()

    for text in ("order.created", "e1", "payload.lines: Input should be a valid list", "open × 2"):
        assert text in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=b", ["b"]),
        ("?q=web", ["c"]),
        ("?q=S2", ["b"]),
        ("?q=SOY", ["b"]),
        ("?q=豆浆", ["c"]),
        ("?q=nowhere", []),
        ("?store=S2", ["b"]),
        ("?type=dish.updated", ["c"]),
        ("?state=dismissed", ["a"]),
        ("?entry_point=python", ["c", "b", "a"]),
        ("?entry_point=celery", []),
    ],
)
def test_it_is_searched_and_filtered(query, found):
    refused("a").dismiss(by="lee")
    refused("b", store="S2", payload={"note": "soy"})
    refused("c", source="web", type="dish.updated", payload={"note": "豆浆"})

    assert listed(world.client_of(SEES), query) == found


def test_a_search_reads_the_payloads_of_the_newest_alone(monkeypatch):
    monkeypatch.setattr(refused_events, "MOST_LOOKED_THROUGH", 2)
    for key in "abc":
        refused(key, payload={"note": "soy", "key": key})

    assert listed(world.client_of(SEES), "?q=soy") == ["c", "b"]


def test_the_list_loads_no_payloads_and_pages_by_key():
    rows = [refused(str(number), payload={"note": number}) for number in range(60)]
    client = world.client_of(SEES)

    statements = [each for each in world.statements(client, LIST) if "refusedevent" in each]

    assert len(statements) == 2  # the keys of a page, then its rows
    assert not any('"payload"' in each for each in statements)
    assert listed(client, f"?before={rows[10].pk}") == [str(n) for n in range(9, -1, -1)]


def test_a_page_shows_payload_problems_and_what_else_was_asked_for():
    row = refused(payload={"order_id": "<b>7</b>"}, occurred_at="2026-03-01T12:30")
    page = world.client_of(SEES).get(world.page_of(row)).content.decode()

    for text in ("payload.lines", "Field required", "&lt;b&gt;7&lt;/b&gt;", "2026-03-01T12:30"):
        assert text in page
    assert "<b>7" not in page
    assert "correct/" not in page


@pytest.mark.parametrize("payload", ["[" * 3000, "{half", '{"n": ' + "9" * 5000 + "}"])
def test_a_page_shows_whatever_is_no_event(payload):
    row = refused()
    RefusedEvent.objects.update(payload=payload, payload_cut=True)
    client = world.client_of(*CORRECTS)

    assert "the rest is cut" in client.get(world.page_of(row)).content.decode()
    assert "put in the whole of it" in client.get(correcting(row)).content.decode()


# Whose they are


def test_a_user_of_some_stores_sees_what_was_refused_of_these_alone():
    mine, other = refused("mine"), refused("other", store="S2")
    unknown, none = refused("unknown", store="S9"), refused("none", store=None)
    limited = world.client_of(*CORRECTS, "dismiss_refusedevent", stores=[world.store("S1")])
    everything = world.client_of(SEES, name="chief")

    assert listed(limited) == ["mine"]
    assert listed(limited, "?q=other") == []
    assert listed(everything) == ["none", "unknown", "other", "mine"]
    for row in (other, unknown, none):
        assert limited.get(world.page_of(row)).status_code == 302  # as if it did not exist
        assert limited.get(correcting(row)).status_code == 404
        assert limited.post(correcting(row), form()).status_code == 404
        assert limited.post(world.act_on(row, "dismiss")).status_code == 404
    assert limited.get(world.page_of(mine)).status_code == 200
    assert set(RefusedEvent.objects.values_list("state", flat=True)) == {"open"}


@pytest.mark.parametrize("code", ["S2", "S9"])
def test_a_user_of_some_stores_corrects_into_these_alone(code):
    row = refused()
    world.store("S2")
    client = world.client_of(*CORRECTS, stores=[world.store("S1")])

    answer = client.post(correcting(row), form(store=code))

    assert answer.context["form"].errors["store"] == ["This is not one of your stores."]
    assert not NeuralEvent.objects.exists()
    assert client.post(correcting(row), form()).status_code == 302


# Correcting


def test_the_form_holds_what_was_sent():
    row = refused(occurred_at="2026-03-01T12:30", queue="default", priority=3)
    client = world.client_of(*CORRECTS)

    assert correcting(row) in client.get(world.page_of(row)).content.decode()
    initial = client.get(correcting(row)).context["form"].initial
    assert json.loads(initial.pop("payload")) == {"order_id": "7", "lines": "none"}
    assert initial == {
        "type": "order.created",
        "store": "S1",
        "source": "till",
        "event_id": "e1",
        "occurred_at": "2026-03-01T12:30",
        "queue": "default",
        "priority": "3",
    }


def test_what_was_sent_without_a_time_occurred_when_it_was_refused():
    row = refused()
    initial = world.client_of(*CORRECTS).get(correcting(row)).context["form"].initial

    assert initial["occurred_at"] == row.refused_at.isoformat()


def test_a_corrected_event_is_recorded_in_the_name_of_who_corrected_it():
    row = refused(backfill=True)
    client = world.client_of(*CORRECTS)

    answer = client.post(correcting(row), form(priority="4"), follow=True)

    event = NeuralEvent.objects.get()
    run = TaskRun.objects.get()
    assert (event.event_id, event.payload["lines"]) == ("e1", LINES)
    assert event.occurred_at.isoformat() == "2026-03-01T04:30:00+00:00"
    assert (run.requested_by, run.queue, run.priority) == ("lee", "low_priority", 4)
    row.refresh_from_db()
    assert (row.state, row.corrected_event, row.handled_by) == ("corrected", event, "lee")
    entry = LogEntry.objects.get()
    assert (entry.object_id, "open → corrected" in entry.get_change_message()) == (
        str(row.pk),
        True,
    )
    page = answer.content.decode()
    assert page.count(world.page_of(event)) == 2  # in what is told, and on the row's page
    assert "correct/" not in page


def test_what_is_refused_again_is_told_at_its_field_and_leaves_everything_as_it_is():
    row = refused()
    payload = '{"order_id": "7", "lines": 3}'
    answer = world.client_of(*CORRECTS).post(
        correcting(row), form(payload=payload, occurred_at="tomorrow", event_id="e 2")
    )

    errors = answer.context["form"].errors
    assert errors["payload"] == ["payload.lines: Input should be a valid list"]
    assert (
        world.client_of(*CORRECTS, name="other")
        .post(correcting(row), form(occurred_at="tomorrow"))
        .context["form"]
        .errors["occurred_at"][0]
        .startswith("occurred_at: must be a time")
    )
    assert not NeuralEvent.objects.exists()
    (row,) = RefusedEvent.objects.all()  # and no other row
    assert (row.state, row.times) == ("open", 1)
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("{half", "Not JSON at line 1, column 2"),
        ("[" * 3000 + "]" * 3000, "is nested 3,000 levels deep; at most 100 levels are kept"),
        ("[" * 90_000, "levels are kept"),
        ('{"n": ' + "9" * 5000 + "}", "4300 digits"),
        ("[]", "payload: must be an object"),
        ('""', "payload: must be an object"),
        ("", "This field is required."),
    ],
)
def test_a_payload_that_cannot_be_read_is_told_in_a_sentence(payload, told):
    answer = world.client_of(*CORRECTS).post(correcting(refused()), form(payload=payload))

    assert told in answer.context["form"].errors["payload"][0]


def test_a_conflict_is_told_and_another_event_id_mends_it():
    neural.submit(**form_as_event(), event_id="e1").or_raise()
    row = refused()
    client = world.client_of(*CORRECTS)

    answer = client.post(correcting(row), form())
    assert "conflict" in answer.context["form"].errors["event_id"][0]
    assert client.post(correcting(row), form(event_id="e1-corrected")).status_code == 302
    assert NeuralEvent.objects.count() == 2


def form_as_event():
    given = {"type": "order.created", "store": "S1", "source": "till"}
    return {**given, "payload": {"order_id": "8", "lines": LINES}}


def test_what_the_till_has_mended_meanwhile_is_linked_and_recorded_once():
    row = refused()
    payload = json.loads(form()["payload"])
    given = {"type": "order.created", "store": "S1", "source": "till", "event_id": "e1"}
    event = neural.submit(**given, payload=payload).or_raise()

    world.client_of(*CORRECTS).post(correcting(row), form())

    row.refresh_from_db()
    assert (row.state, row.corrected_event) == ("corrected", event)
    assert NeuralEvent.objects.count() == 1


def test_one_that_is_closed_is_not_corrected():
    row = refused()
    row.dismiss(by="kim")
    client = world.client_of(*CORRECTS)

    for answer in (client.get(correcting(row)), client.post(correcting(row), form())):
        assert answer["Location"] == world.page_of(row)
    assert not NeuralEvent.objects.exists()


# Permissions and dismissing


def test_correcting_needs_its_own_permission_on_the_server():
    row = refused()
    for names in ((SEES, "dismiss_refusedevent"), ("correct_refusedevent",)):
        client = world.client_of(*names, name=names[-1])
        assert client.get(correcting(row)).status_code == 403
        assert client.post(correcting(row), form()).status_code == 403
    assert not NeuralEvent.objects.exists()


def test_dismissing_and_opening_again_need_theirs_and_are_audited():
    row = refused()
    weak, strong = (
        world.client_of(*CORRECTS),
        world.client_of(SEES, "dismiss_refusedevent", name="b"),
    )
    assert weak.post(world.act_on(row, "dismiss")).status_code == 403

    for verb, state, by in (("dismiss", "dismissed", "b"), ("reopen", "open", "")):
        assert strong.get(world.act_on(row, verb)).status_code == 405
        assert strong.post(world.act_on(row, verb)).status_code == 302
        row.refresh_from_db()
        assert (row.state, row.handled_by) == (state, by)
    assert LogEntry.objects.count() == 2
    strong.post(LIST, world.selection("dismiss", row))
    row.refresh_from_db()
    assert row.state == "dismissed"


def test_nobody_adds_changes_or_deletes_one():
    row = refused()
    client = world.superuser()

    assert client.get(reverse("admin:neural_refusedevent_add")).status_code == 403
    assert client.post(world.page_of(row), {"state": "corrected"}).status_code == 403
    assert (
        client.post(reverse("admin:neural_refusedevent_delete", args=[row.pk])).status_code == 403
    )
