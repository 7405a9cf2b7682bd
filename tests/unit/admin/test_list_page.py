"""The page of every list, from what its admin declares: tabs, chips, fields, acts, cards."""

import html
import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from neural.admin import paging
from neural.admin.list_page import ListPage
from neural.events.models import RefusedEvent
from neural.models import Store
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

REFUSED, EVENTS, STORES = (
    f"/admin/neural/{name}/" for name in ("refusedevent", "neuralevent", "store")
)


def refused(number: int, **more: Any) -> RefusedEvent:
    return RefusedEvent.objects.create(
        event_id=f"e-{number}",
        fingerprint=f"f-{number}",
        type="order.created",
        problems=[],
        **{"store_code": "S1", **more},
    )


def shown(client: Client, address: str, **query: str) -> Any:
    return client.get(address, query).context["page"]


def tabs(client: Client, query: str = "") -> dict[str, str]:
    text = client.get(f"{REFUSED}figures/{query}").content.decode()
    return dict(re.findall(r">([^<>]+) <strong>([^<]+)<", text))


def test_the_choices_of_a_state_are_tabs_with_their_counts() -> None:
    for number, state in enumerate(("open", "open", "dismissed")):
        refused(number, state=state)

    assert tabs(world.superuser()) == {"All": "3", "Open": "2", "Corrected": "0", "Dismissed": "1"}
    assert tabs(world.superuser(), "?q=e-0")["All"] == "1"


def test_counts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_COUNTED", 2)
    for number in range(3):
        refused(number)

    assert tabs(world.superuser())["All"] == "2+"


def test_counts_are_of_the_rows_that_the_user_may_see() -> None:
    refused(1, store_code="S1")
    refused(2, store_code="S2")
    client = world.client_of("view_refusedevent", stores=[world.store("S1")])

    assert tabs(client)["All"] == "1"
    assert Client().get(f"{REFUSED}figures/").status_code == 302
    nobody = world.logged_in(get_user_model().objects.create_user("clerk", is_staff=True))
    assert nobody.get(f"{REFUSED}figures/").status_code == 403


def test_what_is_chosen_is_a_chip_that_can_be_taken_away() -> None:
    page = shown(world.superuser(), EVENTS, type="order.created", q="S1", unhandled="1")

    chips = {str(chip.label): chip for chip in page.chips}
    assert {name: str(chip.value) for name, chip in chips.items()} == {
        "Search": "S1",
        "Type": "order.created",
        "Handling": "had no handler",
    }
    assert chips["Type"].without == "?q=S1&unhandled=1"


def test_a_filter_of_djangos_own_is_a_field_like_ours() -> None:
    Store.objects.create(code="S1", confirmed=False)
    client = world.superuser()

    (choice,) = shown(client, STORES, confirmed__exact="0").choices

    assert (choice.name, choice.value) == ("confirmed__exact", "0")
    assert [value for value, _text in choice.options] == ["1", "0"]


def test_the_form_keeps_what_has_no_field_in_it() -> None:
    page = shown(world.superuser(), REFUSED, state="open", _popup="1", type="order.created")

    assert dict(page.kept) == {"state": "open", "_popup": "1"}


def test_verbs_are_buttons_for_the_chosen_rows_with_a_reason() -> None:
    row = refused(1)
    client = world.superuser()
    text = html.unescape(client.get(REFUSED).content.decode())

    assert re.search(r'<button type="submit" name="action" value="dismiss" [^>]*>Dismiss<', text)
    assert 'name="reason"' in text
    client.post(REFUSED, {"index": 0, "action": "dismiss", "_selected_action": row.pk})
    row.refresh_from_db()
    assert row.state == "dismissed"


def test_who_may_use_no_verb_has_no_boxes() -> None:
    refused(1, store_code="S1")
    text = (
        world.client_of("view_refusedevent", stores=[world.store("S1")])
        .get(REFUSED)
        .content.decode()
    )

    assert "e-1" in text
    assert "_selected_action" not in text
    assert 'name="action"' not in text


def test_each_cell_has_its_heading_for_the_cards_of_a_phone_and_says_that_it_is_empty() -> None:
    refused(1, source="")
    text = world.superuser().get(REFUSED).content.decode()

    assert re.search(
        r'<td data-label="Source" data-empty class="field-source_display">-</td>', text
    )
    assert re.search(r'<td data-label="Store" data-cell class="field-store_display">', text)


def our_lists() -> list[str]:
    others = ("alertrule", "examination", "queuepause", "retention", "schedulepolicy", "search")
    metas = [model._meta for model in admin.site._registry]
    ours = [
        f"{each.app_label}_{each.model_name}"
        for each in metas
        if each.app_label.startswith("neural")
    ]
    return [name for name in ours if name.rpartition("_")[2] not in others]


@pytest.mark.parametrize("model", our_lists())
def test_every_list_of_ours_is_this_page(model: str) -> None:
    query = {"q": "x"} if model == "neural_workerprocess" else {}

    answer = world.superuser().get(reverse(f"admin:{model}_changelist"), query)

    assert isinstance(answer.context["page"], ListPage)
    assert "list-page" in answer.content.decode()
