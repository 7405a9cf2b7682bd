"""People find runs that failed and put them right, in a real browser, with real workers."""

import json
import re

import pytest
from django.utils import translation
from django.utils.translation import gettext

from neural.models import AuditEntry, BulkAction, NeuralEvent, RunEdit, RunState, TaskRun
from neural.monitoring.models import ErrorGroup
from neural.restaurant.models import Order
from tests.browser import kitchen
from tests.browser.languages import is_english, untranslated
from tests.browser.pages import NARROW, WIDE
from tests.integration.cluster import wait_for_runs
from tests.integration.submitting import submit
from tests.watching import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.takes(seconds=14)]

HOME = "/admin/"
RUNS = "/admin/neural/taskrun/"
REASON = "there is paper"
PLACE = re.compile("print_ticket")
CODES = {"en": "en", "zh-CN": "zh-hans"}
"""Django's codes of the browser's languages."""


@pytest.fixture
def web_environment() -> dict[str, str]:
    return kitchen.KITCHEN


def printing_worker(cluster, **options):
    return cluster.worker(environment=kitchen.KITCHEN, **kitchen.QUICK, **options)


def wait_until_grouped(runs: int) -> ErrorGroup:
    """Until the error's group has so many failed attempts: two a run."""

    def found():
        return ErrorGroup.objects.filter(frame__contains="print_ticket", attempts=2 * runs).first()

    wait_until(found, 60)
    return found()


def only_row(page):
    rows = page.locator("#result_list tbody tr")
    rows.first.wait_for()
    assert rows.count() == 1
    return rows.first


def test_an_order_is_followed_to_the_try_that_failed_by_links_alone(cluster, browse, web) -> None:
    printing_worker(cluster)
    kitchen.send(web, kitchen.order(1), kitchen.order(2))
    kitchen.wait_until_dead()
    pages = browse(kitchen.person("operator"))
    page = pages.open(RUNS)

    page.locator("[name=text]").fill("A-1 state=dead")
    page.keyboard.press("Enter")
    page.wait_for_url("**A-1**")
    row = only_row(page)
    assert kitchen.ERROR in row.inner_text()
    row.get_by_role("link", name="order A-1").click()
    page.wait_for_url("**/order/**")
    events = page.locator("#events tbody tr")
    assert events.count() == 1
    events.get_by_role("link", name="S1-1").click()
    page.wait_for_url("**/neuralevent/**")
    runs = page.locator("#runs article")
    assert runs.count() == 2
    failed = runs.filter(has_text=kitchen.ERROR)
    failed.get_by_role("link", name="Attempt 2").click()
    page.wait_for_url("**/taskrun/*/change/#attempt-2")

    assert page.locator("#run-error").inner_text().strip().endswith(kitchen.ERROR)
    attempt = page.locator("#attempt-2")
    own_frame, traceback = attempt.locator("pre").all()
    assert "in print_ticket" in own_frame.inner_text()
    assert not traceback.is_visible()
    attempt.locator("summary").click()
    assert "in print_ticket" in traceback.inner_text()
    assert page.locator("#written").get_by_role("link", name="A-1").count() == 1
    attempt.get_by_role("link", name="w1@").click()
    page.wait_for_url("**/workerprocess/**")
    assert pages.complaints == []


@pytest.mark.parametrize(("language", "width"), [("en", WIDE), ("zh-CN", NARROW)])
def test_the_group_of_a_broken_handlers_failures_is_retried_and_watched_emptying(
    cluster, browse, web, language, width
) -> None:
    printing_worker(cluster)
    kitchen.send(web, *map(kitchen.order, range(3)))
    kitchen.wait_until_dead()
    group = wait_until_grouped(runs=3)
    pages = browse(kitchen.person("operator"), language=language, width=width, hurried=True)
    ours = untranslated() if language != "en" else ()
    said = dict[str, list[str]]()

    def look(where: str) -> None:
        """At a page that shuts out nobody who reads it there."""
        typed = (kitchen.ERROR, REASON)
        texts = [each for each in pages.texts if not any(map(each.__contains__, typed))]
        strange = [each for each in texts if ours and (each in ours or is_english(each))]
        said[where] = strange + ([f"{pages.overflow} px too wide"] if pages.overflow > 0 else [])

    with translation.override(CODES[language]):
        page = pages.open(HOME)
        card = page.locator("#console-groups")
        look("home")
        card.get_by_role("link", name=PLACE).click()
        page.wait_for_url(f"**/errorgroup/{group.pk}/change/")
        assert page.locator("#dead-runs li").count() == 3
        look("group")

        kitchen.load_paper(cluster)
        page.get_by_role("button", name=gettext("Retry dead runs")).click()
        page.wait_for_url("**/preview/**")
        assert page.locator("#sample li").count() == 3
        look("preview")
        page.locator("[name=reason]").fill(REASON)
        page.locator("#bulk-action [type=submit]").click()
        page.wait_for_url("**/bulkaction/*/change/**")
        wait_for_runs(handler=kitchen.WORK)
        pages.wait_for(lambda: page.locator("#progress .neural-succeeded").count())
        assert page.locator("#outcomes tbody tr").count() == 3
        look("progress")

        pages.open(f"/admin/neural_monitoring/errorgroup/{group.pk}/change/")
        assert page.locator("#dead-runs li").count() == 0
        assert page.get_by_role("button", name=gettext("Retry dead runs")).count() == 0
        look("emptied")

    assert {where: found for where, found in said.items() if found} == {}
    assert kitchen.printed() == {"S1-0": 1, "S1-1": 1, "S1-2": 1}
    assert AuditEntry.objects.filter(reason=REASON, actor="operator").exists()
    assert pages.complaints == []


def test_what_a_run_works_on_is_corrected_and_the_original_is_kept(cluster, browse) -> None:
    cluster.worker()
    submit("k1", permanent=True)
    wait_for_runs(state=RunState.DEAD)
    original = TaskRun.objects.get()
    pages = browse(kitchen.person("manager"))
    page = pages.open(f"{RUNS}{original.pk}/change/")

    page.get_by_role("link", name="Edit and retry").click()
    text = page.locator("[name=payload]")
    payload = json.loads(text.input_value())
    text.fill(json.dumps(payload | {"permanent": False, "seconds": "soon"}))
    page.get_by_role("button", name="Show the difference").click()
    refused = page.locator(".field-payload .errorlist")
    assert "seconds" in refused.inner_text()
    assert NeuralEvent.objects.count() == 1

    text.fill(json.dumps(payload | {"permanent": False}))
    page.get_by_role("button", name="Show the difference").click()
    page.locator("ins").wait_for()
    assert "true" in page.locator("del").inner_text()
    assert "false" in page.locator("ins").inner_text()
    page.locator("[name=reason]").fill("the till was wrong")
    page.get_by_role("button", name="Submit the corrected event").click()
    page.wait_for_url("**/change/**")

    original.refresh_from_db()
    edit = RunEdit.objects.get()
    assert (original.state, original.event.payload["permanent"]) == (RunState.DISCARDED, True)
    assert (edit.edited_by, edit.reason) == ("manager", "the till was wrong")
    wait_for_runs(event__payload__permanent=False)
    pages.open(f"{RUNS}{original.pk}/change/")
    assert "the till was wrong" in page.locator("#attempts").inner_text()
    assert len(cluster.starts("k1")) == 2
    assert pages.complaints == []


def test_all_that_match_are_retried_with_a_stop_a_restart_and_a_resume(
    cluster, browse, web, start_web
) -> None:
    orders = 60
    printing_worker(cluster)
    kitchen.send(web, *map(kitchen.order, range(orders)))
    kitchen.wait_until_dead()
    kitchen.load_paper(cluster)
    pages = browse(kitchen.person("operator"), hurried=True)
    page = pages.open(f"{RUNS}?work={kitchen.WORK}&state=dead")

    page.locator(".list-acts").get_by_role("link", name="Retry…").click()
    assert f"{orders} runs match" in page.locator(".neural-matched").inner_text()
    page.locator("[name=reason]").fill(REASON)
    page.locator("[name=pace]").fill("1")  # a minute, in which to stop it
    page.locator("#bulk-action [type=submit]").click()
    page.wait_for_url("**/bulkaction/*/change/**")
    wait_until(lambda: BulkAction.objects.get().changed > 0, 60)
    page.locator("#progress .neural-running").wait_for()  # the page is loaded again for it
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("by operator").first.wait_for()
    stopped_at = BulkAction.objects.get().changed
    assert 0 < stopped_at < orders

    for each in cluster.workers:
        each.kill()
    web.kill()
    start_web(port=web.port)
    printing_worker(cluster)
    page.reload()
    assert BulkAction.objects.get().changed == stopped_at
    page.get_by_role("button", name="Resume").click()
    # A killed worker may have held the run that acts: then its silence is waited for, too.
    wait_until(lambda: BulkAction.objects.get().changed > stopped_at, 180)
    BulkAction.objects.update(pace=None)
    pages.wait_for(lambda: page.locator("#progress .neural-succeeded").count())
    assert f"{orders}" in page.locator("#progress").inner_text()
    # What the killed worker had under way comes back when its silence has lasted a minute.
    wait_for_runs(handler=kitchen.WORK, seconds=180)
    assert kitchen.printed() == {f"S1-{number}": 1 for number in range(orders)}
    assert pages.complaints == []


def test_a_viewer_sees_all_of_it_and_changes_nothing(cluster, browse, web) -> None:
    printing_worker(cluster)
    kitchen.send(web, kitchen.order(1))
    kitchen.wait_until_dead()
    group = wait_until_grouped(runs=1)
    run = kitchen.tickets().get()
    pages = browse(kitchen.person("viewer"))
    page = pages.page

    pages.open(HOME)
    assert page.locator("#console-groups").get_by_role("link", name=PLACE).count() == 1
    assert page.locator("#console-groups button").count() == 0
    pages.open(RUNS)
    assert page.locator(".list-acts").count() == 0
    pages.open(f"{RUNS}{run.pk}/change/")
    assert kitchen.ERROR in page.locator("#attempt-2").inner_text()
    assert page.locator("#row-tools button").count() == 0
    pages.open(f"/admin/neural_monitoring/errorgroup/{group.pk}/change/")
    assert page.locator("#dead-runs li").count() == 1
    assert page.get_by_role("button", name="Retry dead runs").count() == 0
    forbidden = f"/admin/neural/bulkaction/preview/?verb=retry&error_group={group.pk}&period=all"
    assert page.goto(f"{pages.address}{forbidden}").status == 403
    assert kitchen.tickets().get().state == RunState.DEAD
    assert AuditEntry.objects.filter(action__startswith="run").count() == 0


def test_another_stores_operator_finds_nothing_of_it(cluster, browse, web) -> None:
    printing_worker(cluster)
    kitchen.send(web, kitchen.order(1), kitchen.order(7, store="S2"))
    kitchen.wait_until_dead()
    wait_until_grouped(runs=2)
    run = kitchen.tickets().get(store="S1")
    pages = browse(kitchen.person("operator", stores=("S2",)))
    page = pages.page

    pages.open(RUNS)
    assert page.locator("#result_list tbody tr").count() == 2  # those of order 7
    pages.open(f"{RUNS}?text=A-1&period=all")
    assert page.locator("#result_list tbody tr").count() == 0
    for address in (
        f"{RUNS}{run.pk}/change/",
        f"/admin/neural/neuralevent/{run.event_id}/change/",
        f"/admin/neural_restaurant/order/{Order.objects.get(store='S1').pk}/change/",
    ):
        page.goto(f"{pages.address}{address}")
        assert "A-1" not in page.content(), address
        assert page.url == f"{pages.address}{HOME}", address
    pages.open("/admin/neural_monitoring/errorgroup/")
    page.get_by_role("link", name=kitchen.ERROR).click()
    page.wait_for_url("**/errorgroup/*/change/**")
    assert page.locator("#dead-runs li").count() == 1
    page.get_by_role("button", name="Retry dead runs").click()
    page.wait_for_url("**/preview/**")
    assert "1 run matches" in page.locator(".neural-matched").inner_text()
    kitchen.load_paper(cluster)
    page.locator("[name=reason]").fill(REASON)
    page.locator("#bulk-action [type=submit]").click()
    page.wait_for_url("**/bulkaction/*/change/**")
    wait_for_runs(handler=kitchen.WORK, store="S2")
    assert kitchen.printed() == {"S2-7": 1}
    assert kitchen.tickets().get(store="S1").state == RunState.DEAD


def test_what_is_retried_while_the_broker_is_down_runs_when_it_is_back(
    cluster, browse, web
) -> None:
    printing_worker(cluster)
    kitchen.send(web, kitchen.order(1))
    kitchen.wait_until_dead()
    kitchen.load_paper(cluster)
    run = kitchen.tickets().get()
    pages = browse(kitchen.person("operator"))
    page = pages.open(f"{RUNS}{run.pk}/change/")

    cluster.broker.stop()
    page.locator("#row-tools").get_by_role("button", name="Retry", exact=True).click()
    page.locator("#run-head .neural-pending").wait_for()
    assert kitchen.printed() == {}

    cluster.broker.start()
    wait_for_runs(handler=kitchen.WORK)
    assert kitchen.printed() == {"S1-1": 1}
    assert pages.complaints == []
