"""From events to the search page, through real indexing and a real vector store."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import neural
from neural.admin.look_up import look_up
from neural.models import NeuralEvent
from neural.restaurant.models import Order
from neural.retrieval.models import OutboxEntry
from neural.retrieval.stores import words
from tests.unit.admin import admin_world as world
from tests.unit.retrieval import searching
from tests.unit.retrieval.search_world import order

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("fake_broker", "indexed"),
]


@pytest.fixture
def indexed():
    """Orders of two stores, their events, and an index of both."""
    with neural.temporary_search_index(embedder=searching.EMBEDDER):
        order("S1", "A-17", "麻婆豆腐", "米饭", note="<b>不要辣</b>")
        order("S1", "A-18", "鱼香肉丝", note="不要太辣")
        order("S2", "B-17", "麻婆豆腐", note="不要辣椒")
        neural.run_due()
        assert not OutboxEntry.objects.exists()
        yield


def page(client, query, language="en"):
    address = reverse("admin:neural_retrieval_search_changelist") + query
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def plain(page):
    """Without the highlights, which may stand inside of what is looked for."""
    return re.sub("</?mark>", "", page)


def limited():
    """Somebody of store S1."""
    return world.client_of("view_search", "view_order", stores=[world.store("S1")])


def test_an_order_is_found_by_a_dish_and_leads_to_its_page_and_events():
    shown = page(world.superuser(), "?q=麻婆豆腐&collection=orders")

    assert "Whole name: <strong>麻婆豆腐</strong>" in shown
    assert "<mark>麻婆豆腐</mark>" in shown
    for number in ("A-17", "B-17"):
        assert f'href="{world.page_of(Order.objects.get(number=number))}"' in shown
        assert f"?q={number}&amp;collection=events" in shown


def test_its_events_lead_to_the_event_and_its_runs():
    event = NeuralEvent.objects.get(event_id="e-A-17")

    shown = page(world.superuser(), "?q=A-17&collection=events&store=S1")

    assert f'href="{world.page_of(event)}"' in shown
    assert f'href="{world.page_of(event.runs.get())}"' in shown
    assert "&lt;b&gt;" in shown
    assert "<b>不要辣" not in shown


def test_a_user_limited_to_stores_finds_what_is_theirs_by_no_way_more():
    theirs = NeuralEvent.objects.get(event_id="e-B-17")
    client = limited()
    asked = [
        "?q=麻婆豆腐",
        "?q=B-17",
        "?q=B-17&collection=orders&store=S2",
        "",
    ]

    shown = [plain(page(client, query)) for query in asked]

    assert "A-17" in shown[0]
    for query, each in zip(asked, shown, strict=True):
        assert "e-B-17" not in each, query
        assert world.page_of(theirs) not in each, query
        assert "/B-17" not in each, query


def test_who_sees_every_store_is_told_how_many_records_there_are_and_others_how_many_of_theirs():
    def records(client):
        found = client.get(reverse("admin:neural_retrieval_search_changelist")).context["overview"]
        return {each["collection"].name: each["records"] for each in found}

    assert records(world.superuser())["orders"] == 3
    mine = records(limited())
    assert (mine["orders"], mine["events"]) == (2, 2)


def test_whatever_is_asked_of_the_real_index_there_is_an_answer():
    client = world.superuser()
    texts = ["  ", "鱼", "🍜", "'", '"', "a AND (b", "x" * 5000, "*", "%", "\x00"]

    for text in texts:
        answer = client.get(reverse("admin:neural_retrieval_search_changelist"), {"q": text})
        assert answer.status_code == 200, text
        assert answer.context["answer"] is None or answer.context["answer"].works, text


def test_the_command_finds_the_same(capsys):
    call_command("search", "麻婆豆腐", "--collection", "orders", "--store", "S2")

    said = capsys.readouterr().out
    assert "S2/B-17" in said
    assert "names: 麻婆豆腐" in said
    assert "A-17" not in said


def test_how_many_records_wait_is_told_of_the_users_own_stores():
    for number in range(3):
        order("S2", f"B-2{number}", "麻婆豆腐")
    order("S1", "A-19", "麻婆豆腐")

    assert "4 records wait" in page(world.superuser(), "")
    mine = page(limited(), "")
    assert "1 record waits" in mine
    assert "4 records wait" not in mine


def test_a_phone_is_looked_up_however_it_is_typed_and_written():
    written = [
        "13812345678",
        "138 1234 5678",
        "(138)12345678",
        "+86 138-1234-5678",
        "008613812345678",
    ]
    for number, phone in enumerate((*written, "13812345679")):
        order("S1", f"P-{number}", "米饭", guest={"phone": phone})
    neural.run_due()
    user = get_user_model().objects.create_superuser("root")

    for typed in (*written, "+8613812345678", "１３８１２３４５６７８"):
        answer = look_up(typed, user)
        (found,) = [*answer.exact, *answer.near]
        assert {each.row.event_id for each in found.shown} == {f"e-P-{n}" for n in range(5)}, typed


@pytest.mark.parametrize(
    ("typed", "most"), [("A-17", 47), ("mapodou", 26), ("麻婆", 25), ("豆腐", 25)]
)
def test_a_keystroke_costs_few_statements_and_embeds_nothing(monkeypatch, typed, most):
    def embed(texts):
        raise AssertionError(texts)

    client, address = world.superuser(), reverse("admin:neural_look_up_suggest")
    monkeypatch.setattr(words, "_samples", [])
    client.get(address, {"q": "xy"})  # what a process reads once, or once a minute
    monkeypatch.setattr(f"{searching.EMBEDDER}.embed", embed)

    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address, {"q": typed})

    assert "A-17" in plain(answer.content.decode())
    asked = [each for each in queries if not each["sql"].startswith(("BEGIN", "COMMIT", "SET "))]
    assert len(asked) <= most
