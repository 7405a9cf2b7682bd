"""The console's pages refresh by themselves, and never take away what somebody does in them."""

import pytest
from django.contrib.sessions.models import Session

from neural.models import QueuePause

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.once]

QUEUES = "/admin/neural/queuepause/"
TICK = "document.dispatchEvent(new Event('visibilitychange'))"
"""What refreshes the parts at once, as when the browser's tab is shown again."""


def test_what_somebody_types_outlives_the_refreshing(browse) -> None:
    pages = browse()
    page = pages.open(QUEUES)
    page.locator("summary").first.click()
    field = page.locator("input[name=reason]").first
    field.fill("stocktaking")
    page.locator("h1").click()  # the focus is elsewhere
    QueuePause.objects.create(queue="pasta", reason="no flour", paused_by="mo")

    page.evaluate(TICK)
    pages.rest()
    assert field.input_value() == "stocktaking"

    field.fill("")
    page.locator("h1").click()
    page.evaluate(TICK)
    page.wait_for_selector("text=no flour")  # it would have come before


def test_a_part_is_refreshed_and_what_was_unfolded_stays_so(browse) -> None:
    page = browse().open(QUEUES)
    QueuePause.objects.create(queue="pasta", reason="no flour", paused_by="mo")

    page.evaluate(TICK)
    page.wait_for_selector("text=no flour")


def test_who_is_logged_out_meanwhile_gets_the_login_not_a_login_within_the_page(browse) -> None:
    page = browse().open(QUEUES)

    with page.expect_navigation():  # the page may look by itself, too
        Session.objects.all().delete()
        page.evaluate(TICK)

    assert "/admin/login/" in page.url


@pytest.mark.parametrize("address", ["/admin/", QUEUES, "/admin/neural/workerprocess/"])
def test_a_page_that_cannot_be_refreshed_says_so(browse, web, address) -> None:
    page = browse().open(address)
    note = page.locator("[data-stale-note]")
    assert not note.is_visible()

    page.context.set_offline(True)
    page.evaluate(TICK)

    note.wait_for(state="visible")
