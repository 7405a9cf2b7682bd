"""A run's page refreshes without taking away what somebody does in it, and copies commands."""

import datetime as dt

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from neural.models import RunEdit, TaskAttempt, TaskRun
from tests.browser.pages import NARROW, SHOWN_AGAIN, WIDE
from tests.unit.admin import admin_world as world

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.once]


def working_run() -> TaskRun:
    run = world.run("running", failures=1)
    TaskAttempt.objects.create(
        run=run, outcome="failed", started_at=run.started_at, traceback="the first traceback"
    )
    return run


def end(run: TaskRun) -> None:
    TaskRun.objects.filter(pk=run.pk).update(state="dead", finished_at=timezone.now(), error="no")


@pytest.mark.quick
def test_a_run_that_ends_shows_its_outcome_and_its_buttons_and_what_was_unfolded_stays_so(
    browse,
) -> None:
    run = working_run()
    page = browse().open(world.page_of(run))
    page.locator("#traceback-1 summary").click()
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    end(run)

    page.evaluate(SHOWN_AGAIN)
    page.wait_for_selector("#run-head >> text=dead")

    assert page.locator("#traceback-1").get_attribute("open") is not None
    assert page.locator("#row-tools button >> text=Retry").count() == 1
    assert page.locator("[data-refresh]").count() == 0


def test_the_page_is_left_alone_while_somebody_is_in_its_buttons_or_its_course(browse) -> None:
    run = working_run()
    pages = browse()
    page = pages.open(world.page_of(run))
    page.locator("#traceback-1 summary").focus()
    end(run)

    page.evaluate(SHOWN_AGAIN)
    pages.rest()
    assert page.locator("#run-head >> text=dead").count() == 0

    page.evaluate("document.activeElement.blur()")
    page.evaluate(SHOWN_AGAIN)
    page.wait_for_selector("#run-head >> text=dead")


def test_a_refresh_that_comes_when_somebody_is_in_it_already_is_left_out(browse) -> None:
    run = working_run()
    pages = browse()
    page = pages.open(world.page_of(run))
    come = pages.refresh_under_way(f"**{world.page_of(run)}*")

    end(run)
    page.locator("#traceback-1 summary").focus()
    come()
    assert page.locator("#run-head >> text=dead").count() == 0
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"

    page.evaluate("document.activeElement.blur()")
    page.evaluate(SHOWN_AGAIN)
    page.wait_for_selector("#run-head >> text=dead")


def test_who_is_logged_out_meanwhile_gets_the_login(browse) -> None:
    pages = browse()
    page = pages.open(world.page_of(working_run()))

    with page.expect_navigation():
        Session.objects.all().delete()
        pages.look_again()

    assert "/admin/login/" in page.url


def test_the_pages_of_a_run_and_of_its_editing_shut_nobody_out_and_fit(browse) -> None:
    run = dead_run()
    pages = browse()
    wrong: dict[str, list[str]] = {}
    page = pages.open(world.page_of(run))
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    wrong["page"] = barriers(pages)
    page = pages.open(world.page_of(run).replace("/change/", "/edit/"))
    page.fill("[name=args]", '["typed", 2]')
    wrong["form"] = barriers(pages)
    page.click("[value=check]")
    page.wait_for_selector("ins")
    wrong["difference"] = barriers(pages)

    assert {name: found for name, found in wrong.items() if found} == {}


def dead_run() -> TaskRun:
    run = world.run("dead", failures=1, args=["first", 1], error="no", unique_key=None)
    attempt = {"outcome": "failed", "started_at": run.started_at}
    TaskAttempt.objects.create(run=run, **attempt, error="no", traceback="where " * 200)
    RunEdit.objects.create(
        run_id=run.pk, before={"args": [1]}, after={"args": [2]}, reason="a typo", edited_by="mo"
    )
    world.run(task_id="child", parent_task_id=run.task_id)
    return run


def barriers(pages) -> list[str]:
    found = [*pages.complaints, *pages.barriers()]
    pages.dark()
    found += pages.barriers()
    pages.dark(on=False)
    for width in (WIDE, NARROW):
        pages.width(width)
        if pages.overflow > 0:
            found.append(f"{pages.overflow} px too wide at {width}")
    pages.width(WIDE)
    pages.complaints.clear()  # axe itself brings inline styles
    return found


def test_a_command_is_copied(browse) -> None:
    page = browse(hurried=True).open(world.page_of(world.run("dead", args=["it's"])))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.clock.pause_at(dt.datetime.now() + dt.timedelta(hours=1))  # it says so for two seconds
    page.locator("[data-copies=command-call]").click()
    page.wait_for_selector("text=Copied")

    copied = page.evaluate("navigator.clipboard.readText()")

    assert copied == page.locator("#command-call").text_content()
