"""The console's pages refresh by themselves, and never take away what somebody does in them."""

import pytest
from django.contrib.sessions.models import Session

from neural.models import QueuePause
from tests.browser.pages import SHOWN_AGAIN

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.once]

QUEUES = "/admin/neural/queuepause/"


def test_what_somebody_types_outlives_the_refreshing(browse) -> None:
    pages = browse()
    page = pages.open(QUEUES)
    page.locator("summary").first.click()
    field = page.locator("input[name=reason]").first
    field.fill("stocktaking")
    page.locator("h1").click()  # the focus is elsewhere
    QueuePause.objects.create(queue="pasta", reason="no flour", paused_by="mo")

    page.evaluate(SHOWN_AGAIN)
    pages.rest()
    assert field.input_value() == "stocktaking"

    field.fill("")
    page.locator("h1").click()
    page.evaluate(SHOWN_AGAIN)
    page.wait_for_selector("text=no flour")  # it would have come before


def test_what_somebody_types_while_a_refresh_is_on_its_way_outlives_it(browse) -> None:
    pages = browse()
    page = pages.open(QUEUES)
    come = pages.refresh_under_way(f"**{QUEUES}*")

    page.locator("summary").first.click()
    field = page.locator("input[name=reason]").first
    field.fill("stocktaking")
    page.locator("h1").click()  # the focus is elsewhere
    come()

    assert field.input_value() == "stocktaking"


def test_a_part_is_refreshed_and_what_was_unfolded_stays_so(browse) -> None:
    page = browse().open(QUEUES)
    QueuePause.objects.create(queue="pasta", reason="no flour", paused_by="mo")

    page.evaluate(SHOWN_AGAIN)
    page.wait_for_selector("text=no flour")


def test_who_is_logged_out_meanwhile_gets_the_login_not_a_login_within_the_page(browse) -> None:
    pages = browse()
    page = pages.open(QUEUES)

    with page.expect_navigation():
        Session.objects.all().delete()
        pages.look_again()

    assert "/admin/login/" in page.url


@pytest.mark.parametrize("address", ["/admin/", QUEUES, "/admin/neural/workerprocess/"])
def test_a_page_that_cannot_be_refreshed_says_so(browse, web, address) -> None:
    page = browse().open(address)
    note = page.locator("[data-stale-note]")
    assert not note.is_visible()

    page.context.set_offline(True)
    page.evaluate(SHOWN_AGAIN)

    note.wait_for(state="visible")
