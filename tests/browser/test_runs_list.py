"""The list of runs in a real browser: keys, news, dragging, a phone."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from neural.models import RunState, SavedView, TaskRun
from tests.browser.pages import NARROW, SHOWN_AGAIN
from tests.unit.admin import admin_world as world

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.once]

LIST = "/admin/neural/taskrun/"
CURRENT = "#result_list tr.list-is-current"


def dead_runs(count: int = 3) -> list[TaskRun]:
    """Older ones have lower numbers."""
    return [
        world.run("dead", task_id=f"run-{number}", error=f"Read timed out {number}")
        for number in range(count)
    ]


def test_the_keyboard_finds_moves_selects_and_opens(browse) -> None:
    runs = dead_runs()
    pages = browse()
    page = pages.open(LIST)
    page.wait_for_load_state("networkidle")

    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator(CURRENT).get_attribute("id") == f"row-{runs[1].pk}"
    page.keyboard.press("k")
    assert page.locator(CURRENT).get_attribute("id") == f"row-{runs[2].pk}"

    page.keyboard.press("?")
    dialog = page.locator("#list-keys")
    assert dialog.is_visible()
    page.keyboard.press("j")  # does nothing behind the dialog
    page.keyboard.press("Escape")
    assert page.locator(CURRENT).get_attribute("id") == f"row-{runs[2].pk}"

    page.keyboard.press("f")
    assert page.evaluate("document.activeElement.name") == "period"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("timed out 1")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=timed+out+1*")
    assert page.url.endswith("?text=timed+out+1&period=7d")  # without what is empty
    assert page.locator("#result_list tbody tr").count() == 1

    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url(f"**/taskrun/{runs[1].pk}/change/")
    assert pages.complaints == []


def test_news_are_announced_and_shown_rows_change_in_place(browse) -> None:
    first, second = dead_runs(2)
    pages = browse()
    page = pages.open(LIST)
    page.wait_for_load_state("networkidle")
    row = page.locator(f"#row-{second.pk}")
    before = row.bounding_box()

    world.run(task_id="new")
    TaskRun.objects.filter(pk=second.pk).update(state=RunState.DISCARDED)
    page.evaluate(SHOWN_AGAIN)
    page.get_by_text("1 new").wait_for()

    row.locator(".neural-discarded").wait_for()
    assert page.locator("#result_list tbody tr").count() == 2
    assert row.bounding_box()["x"] == before["x"]
    page.get_by_text("1 new").click()
    page.locator("#result_list tbody tr").nth(2).wait_for()
    assert page.locator(f"#row-{first.pk}").is_visible()
    assert pages.complaints == []


def test_nothing_is_asked_for_in_a_hidden_tab_or_when_live_is_switched_off(browse) -> None:
    dead_runs(1)
    pages = browse(hurried=True)
    page = pages.open(LIST)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    with page.expect_response("**/live/**"):
        page.clock.fast_forward(6_000)

    page.locator("#list-live").uncheck()
    pages.rest()
    asked.clear()
    page.clock.fast_forward(20_000)
    pages.rest()
    assert asked == []
    assert not page.reload().status >= 400
    assert not page.locator("#list-live").is_checked()  # it is remembered

    with page.expect_response("**/live/**"):
        page.locator("#list-live").check()
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    pages.rest()
    asked.clear()
    page.clock.fast_forward(20_000)
    pages.rest()
    assert asked == []


def test_dragging_over_the_bars_chooses_their_time(browse) -> None:
    for number, run in enumerate(dead_runs(6)):
        at = timezone.now() - dt.timedelta(days=number, minutes=1)
        TaskRun.objects.filter(pk=run.pk).update(created_at=at)
    pages = browse()
    page = pages.open(f"{LIST}?state=dead")
    bars = page.locator(".list-histogram a")
    bars.first.wait_for()
    assert bars.count() == 6

    box = page.locator(".list-histogram svg").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, middle, steps=5)
    page.mouse.move(box["x"] + box["width"] - 3, middle, steps=5)
    page.mouse.up()
    page.wait_for_url("**since=*")

    shown = page.locator("#result_list tbody tr").count()
    assert 3 <= shown <= 4
    assert "until=" in page.url
    with page.expect_navigation():
        page.locator(".list-histogram a").first.press("Enter")
    assert page.locator("#result_list tbody tr").count() == 1
    assert pages.complaints == []


def test_on_a_phone_each_run_is_a_card_and_everything_can_be_reached(browse) -> None:
    dead_runs()
    pages = browse(width=NARROW)
    root = get_user_model().objects.get(username="root")
    SavedView.objects.create(owner=root, name="x" * 100)
    page = pages.open(f"{LIST}?state=dead&text=timed+out&tries=0&period=30d")
    page.wait_for_load_state("networkidle")

    assert pages.overflow <= 0
    card = page.locator("#result_list tbody tr").first
    assert card.bounding_box()["width"] <= NARROW
    assert card.locator("th a").is_visible()
    for summary in page.locator(".list-page summary, .list-more summary").all():
        summary.click()
        assert pages.overflow <= 0
        summary.click()
    assert pages.barriers() == []
    pages.dark()
    assert pages.barriers() == []


def test_on_a_phone_a_run_without_an_error_has_room_for_its_name(browse) -> None:
    run = world.run("succeeded", task="neural.tasks.refresh_forecast")
    page = browse(width=NARROW).open(f"{LIST}?period=all")
    page.wait_for_load_state("networkidle")

    assert page.locator(f"#row-{run.pk} th").bounding_box()["width"] > NARROW / 2
