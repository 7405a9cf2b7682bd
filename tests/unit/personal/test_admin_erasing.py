"""The page that erases a person: counts first, then erases what the command erases."""

import re
from html import unescape
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from neural.models import AuditEntry, NeuralEvent
from neural.personal import admin as erasing
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:neural_erase_person")
MAY = "erase_personal_data"
PHONE = "13812345678"
PAYLOAD = {"order_id": "A-17", "phone": PHONE, "customer_name": "王小明"}


def told(answer: Any) -> str:
    """The text of a page, whether it is streamed or not."""
    html = answer.getvalue().decode()
    main = html[html.index('id="content-main"') :]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


def count(client: Client, **known: str) -> str:
    return told(client.post(PAGE, known))


def erase(client: Client, reason: str = "asked on 3 May", **known: str) -> str:
    return told(client.post(PAGE, {**known, "reason": reason, "erase": "Erase"}))


def test_what_names_the_person_is_counted_and_nothing_is_changed() -> None:
    world.event("e1", payload=PAYLOAD)
    world.event(PHONE, payload={"order_id": "A-18"})

    page = count(world.client_of(MAY), phone="138 1234 5678")

    assert "Gone through: events · stores" in page
    assert "Events 1" in page
    assert "Will stay, though they name the person Events, event_id : 1" in page
    assert "Workers make the rows of the search index anew within minutes." in page
    assert "before every row was read" not in page
    assert "Nothing was changed." in page
    assert NeuralEvent.objects.get(event_id="e1").payload == PAYLOAD
    assert not AuditEntry.objects.exists()


def test_a_count_that_did_not_read_every_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world.event("e1", payload=PAYLOAD)
    monkeypatch.setattr(erasing, "COUNT_SECONDS", 0)

    assert "before every row was read" in count(world.client_of(MAY), phone=PHONE)
    assert "before every row was read" not in erase(world.client_of(MAY, name="kim"), phone=PHONE)


def test_a_confirmed_person_is_erased_with_the_entries_of_the_command() -> None:
    world.event("e1", payload=PAYLOAD)

    page = erase(world.client_of(MAY, name="anna"), phone=PHONE)

    assert "Events 1" in page
    assert "It is done, and stands in the audit log." in page
    assert NeuralEvent.objects.get().payload == {
        "order_id": "A-17",
        "phone": "[erased]",
        "customer_name": "[erased]",
    }
    entries = AuditEntry.objects.filter(action="person.erase").order_by("pk")
    steps = [entry.details["step"] for entry in entries]
    assert steps == ["begun", "finished", "looked at the rest"]
    finished = entries[1]
    assert (finished.actor, finished.source, finished.count) == ("anna", "admin", 1)
    assert finished.reason == "asked on 3 May"
    assert PHONE not in repr(AuditEntry.objects.values_list())


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, "Say who: a phone, an e-mail address, a member or a name."),
        ({"phone": "123"}, "A phone has 7 digits or more."),
        ({"name": "王小明"}, "A name needs a store: many people have one name."),
        ({"member_id": "1"}, "Ensure this value has at least 2 characters"),
        ({"email": "nobody"}, "Enter a valid email address."),
    ],
)
def test_who_is_meant_can_be_told_from_others(known: dict[str, str], said: str) -> None:
    world.event("e1", payload=PAYLOAD)

    assert said in erase(world.client_of(MAY), **known)

    assert NeuralEvent.objects.get().payload == PAYLOAD


def test_nothing_is_erased_without_a_reason() -> None:
    world.event("e1", payload=PAYLOAD)

    page = erase(world.client_of(MAY), reason=" ", phone=PHONE)

    assert "This field is required." in page
    assert "Nothing was changed." in page
    assert NeuralEvent.objects.get().payload == PAYLOAD


def test_who_may_not_erase_has_no_page_and_no_link() -> None:
    client = world.client_of()

    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"phone": PHONE, "reason": "x", "erase": "1"}).status_code == 403
    assert PAGE not in client.get(world.list_of("neuralevent")).content.decode()
    assert (
        PAGE in world.client_of(MAY, name="anna").get(world.list_of("neuralevent")).content.decode()
    )


def test_a_user_of_some_stores_erases_within_one_of_these() -> None:
    own, other = world.event("e1", payload=PAYLOAD), world.event("e2", at="S2", payload=PAYLOAD)
    client = world.client_of(MAY, stores=[world.store("S1")])

    assert "This field is required." in erase(client, phone=PHONE)
    assert "Say who: a phone" in erase(client)
    assert "Select a valid choice." in erase(client, phone=PHONE, store="S2")
    assert "It is done" in erase(client, phone=PHONE, store="S1")

    own.refresh_from_db()
    other.refresh_from_db()
    assert own.payload["phone"] == "[erased]"
    assert other.payload == PAYLOAD


def test_a_page_that_nobody_reads_any_more_stops_and_the_log_says_so() -> None:
    world.event("e1", payload=PAYLOAD)
    answer = world.client_of(MAY).post(PAGE, {"phone": PHONE, "reason": "asked", "erase": "1"})

    pieces = iter(answer.streaming_content)
    next(pieces), next(pieces)
    for close in answer._resource_closers:  # as the server does; the connection stays open
        close()

    steps = AuditEntry.objects.order_by("pk").values_list("details__step", "outcome")
    assert list(steps) == [("begun", "begun"), ("stopped", "failed")]


def test_a_database_that_fails_is_told_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> Any:
        raise OperationalError("gone")
        yield

    monkeypatch.setattr(erasing.Erasure, "look", fail)

    page = erase(world.client_of(MAY), phone=PHONE)

    assert "The database failed, so it was stopped in the middle." in page
    assert "It is done" not in page


def test_the_page_speaks_the_language_of_who_reads_it_to_its_end() -> None:
    answer = world.client_of(MAY).post(
        PAGE, {"phone": PHONE}, headers={"accept-language": "zh-hans"}
    )

    page = told(answer)
    assert "未作任何更改。" in page
    gone_through = page[page.index("已读过：") : page.index("未作任何更改。")]
    assert not re.search("[a-z]{3,}", gone_through.replace("openid", ""))
