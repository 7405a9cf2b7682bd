"""The box in the header suggests while one types, by keyboard and for screen readers."""

from typing import Any

import pytest

from neural.restaurant.models import Order
from tests.unit.factories import make_store

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.takes(seconds=8)]


@pytest.fixture
def box(browse: Any) -> Any:
    order = Order.objects.create(
        store=make_store("S1"), key="A-17", number="A-17", state="cancelled"
    )
    pages = browse()
    pages.open("/admin/")
    pages.order = order
    return pages


def typed(pages: Any, text: str) -> Any:
    field = pages.page.get_by_role("combobox")
    field.fill("")
    field.press_sequentially(text)
    pages.page.get_by_role("option").first.wait_for()
    return field


def test_arrows_choose_enter_opens_and_escape_closes(box: Any) -> None:
    field = typed(box, "A-17")
    first = box.page.get_by_role("option").first

    assert field.get_attribute("aria-expanded") == "true"
    assert first.inner_text().split() == ["A-17", "order", "·", "S1"]
    assert box.page.locator(".neural-suggestions-said").inner_text() == "1 suggestion"
    field.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == first.get_attribute("id")
    assert first.get_attribute("aria-selected") == "true"
    field.press("ArrowUp")
    assert field.get_attribute("aria-activedescendant") is None
    field.press("Escape")
    assert field.get_attribute("aria-expanded") == "false"
    assert field.input_value() == "A-17"

    typed(box, "A-17").press("ArrowDown")
    field.press("Enter")
    box.page.wait_for_url(f"**/order/{box.order.pk}/change/")
    assert not box.complaints


def test_a_slash_leads_to_the_box_and_the_name_of_a_tab_to_its_page(box: Any) -> None:
    box.page.keyboard.press("/")
    box.page.keyboard.type("schedules")
    box.page.keyboard.press("Enter")

    box.page.wait_for_url("**/admin/neural/schedulepolicy/")
    box.page.keyboard.press("Control+k")
    assert box.page.evaluate("document.activeElement.name") == "q"
    assert not box.complaints


def test_enter_without_a_choice_searches_for_words_that_name_nothing(box: Any) -> None:
    typed(box, "spicy tofu").press("Enter")

    box.page.wait_for_url("**/neural_retrieval/search/?q=spicy+tofu")
    assert box.page.locator("#search-text").input_value() == "spicy tofu"
    assert not box.complaints
