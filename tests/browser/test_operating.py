"""People operate a chain in a real browser, with real workers, a beat and a broker of its own."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django_celery_beat.models import PeriodicTask

from neural.models import RunState, TaskRun, WorkerProcess
from neural.monitoring.models import Alert, Examination
from tests.browser.languages import is_english, untranslated
from tests.browser.pages import NARROW, REFRESH_MILLISECONDS
from tests.integration.beats import every
from tests.integration.cluster import wait_for_runs
from tests.integration.submitting import submit
from tests.unit.monitoring import alerting
from tests.watching import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.takes(seconds=12)]

HOME = "/admin/"
QUEUES = "/admin/neural/queuepause/"
WORKERS = "/admin/neural/workerprocess/"
SCHEDULES = "/admin/neural/schedulepolicy/"
CONSOLE = {
    "home": HOME,
    "queues": QUEUES,
    "workers": WORKERS,
    "schedules": SCHEDULES,
    "errors": "/admin/neural_monitoring/errorgroup/",
    "alerts": "/admin/neural_monitoring/alert/",
    "runs": "/admin/neural/taskrun/",
}

WATCHFUL = {
    "examine_seconds": 0.5,
    "figures_seconds": 0.5,
    "alert_beat_silent_seconds": 20,  # a busy machine keeps a beat waiting for some of them
    "alert_group_wait_seconds": 300,  # who was not told of it need not be told of its end
}
"""Settings of workers that look often."""


def operator(*permissions: str, name: str = "olivia"):
    """A user of the whole chain who may view the console, and what else is named."""
    user = get_user_model().objects.create_user(name, is_staff=True)
    views = ("taskrun", "workerprocess", "queuepause", "examination", "alert", "periodictask")
    names = ["view_every_store", *(f"view_{each}" for each in views), *permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def entries(user) -> list[str]:
    """What the log says of this person."""
    return [each.get_change_message() for each in LogEntry.objects.filter(user=user)]


def row_of(pages, queue: str):
    """A queue's row on the page of queues."""
    return pages.page.locator("#console-queues tbody tr").filter(
        has=pages.page.get_by_role("rowheader", name=queue, exact=True)
    )


def broker_found(*, up: bool) -> bool:
    """Whether a relay has found the broker so."""
    row = Examination.objects.filter(pk=1).first()
    return row is not None and row.facts.get("broker", {}).get("up") is up


def test_a_person_pauses_a_queue_and_nothing_of_it_starts_until_somebody_resumes_it(
    cluster, browse
):
    cluster.worker()
    olivia = operator("pause_queue")
    pages = browse(olivia)
    pages.open(QUEUES)
    row = row_of(pages, "default")
    row.get_by_text("Pause…").click()
    row.get_by_label("Reason").fill("the printer is on fire")
    row.get_by_role("button", name="Pause default").click()
    row = row_of(pages, "default")
    row.get_by_text("the printer is on fire").wait_for()
    assert "by olivia" in row.inner_text()

    submit("waits")
    submit("urgent", kind="probe.urgent")
    wait_for_runs(event__event_id="urgent")  # workers work
    assert TaskRun.objects.get(event__event_id="waits").state == RunState.PENDING
    assert cluster.starts("waits") == []

    row.get_by_role("button", name="Resume").click()
    row_of(pages, "default").get_by_text("running", exact=True).wait_for()
    wait_for_runs(event__event_id="waits")
    told = entries(olivia)
    assert len(told) == 2
    assert any("the printer is on fire" in each for each in told)
    assert pages.complaints == []


def test_a_killed_worker_is_shown_as_lost_and_its_run_as_recovered(cluster, browse):
    # Far above what a busy machine makes a worker wait: only the dead shall be taken for it.
    quick = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 8, "concurrency": 1}
    workers = [cluster.start_worker(**quick), cluster.start_worker(**quick)]
    for each in workers:
        each.wait_until_ready()
    submit("held", kind="probe.two_step", gate="open")
    cluster.wait_for_start("held")
    held_by = TaskRun.objects.get().worker.process_id
    (killed,) = (each for each in workers if each.pid == held_by)
    pages = browse(operator(), hurried=True)
    pages.open(WORKERS)

    killed.kill()

    gone = pages.page.locator("#console-workers section").last
    row = gone.locator("tbody tr").filter(has_text=f"{killed.name}@")
    pages.wait_for(lambda: row.count() and "1 run recovered" in row.inner_text())
    assert "lost" in row.locator(".neural-badge").inner_text()
    cluster.open_gate("open")
    wait_for_runs()
    run = TaskRun.objects.get()
    assert (run.losses, run.failures) == (1, 0)
    assert len(cluster.starts("held")) == 2
    assert pages.complaints == []


def test_an_alert_about_beat_is_acknowledged_and_ends_by_itself_when_beat_is_back(
    cluster, browse, start_beat
):
    cluster.worker(**WATCHFUL)
    beat = start_beat(NEURAL_HEARTBEAT_SECONDS="0.5")
    wait_until(WorkerProcess.objects.beats().exists, 60)
    olivia = operator("acknowledge_alert")
    pages = browse(olivia, hurried=True)
    pages.open(HOME)
    verdict = pages.page.locator(".console-verdict")
    assert "Beat is silent" not in verdict.inner_text()

    beat.kill()
    pages.wait_for(lambda: "Beat is silent" in verdict.inner_text())
    verdict.get_by_role("button", name="Acknowledge Beat is silent").click()
    verdict.get_by_text("olivia has taken it on").wait_for()
    assert len(entries(olivia)) == 1

    start_beat(NEURAL_HEARTBEAT_SECONDS="0.5")
    pages.wait_for(lambda: "Beat is silent" not in verdict.inner_text())
    assert Alert.objects.get(rule="beat_silent").state == "resolved"
    assert pages.complaints == []


def test_an_operator_runs_a_schedule_now_under_their_own_name(cluster, browse):
    PeriodicTask.objects.all().delete()  # what migrations put there
    schedule = every(3600, "nightly")
    cluster.worker()
    olivia = operator("run_schedule")
    pages = browse(olivia)
    pages.open(SCHEDULES)

    row = pages.page.locator("#schedules tbody tr").filter(has_text="nightly")
    row.get_by_role("button", name="Run it now").click()
    wait_for_runs()

    pages.open(f"{SCHEDULES}{schedule.pk}/change/")
    row = pages.page.locator(".console-runs tbody tr")
    assert row.count() == 1
    assert "olivia" in row.inner_text()
    assert TaskRun.objects.get().requested_by == "olivia"
    assert len(entries(olivia)) == 1
    assert pages.complaints == []


def test_with_the_broker_down_every_page_loads_and_says_what_is_unknown(cluster, browse):
    cluster.worker(**WATCHFUL)
    wait_until(lambda: broker_found(up=True), 60)
    pages = browse()

    cluster.broker.stop()
    wait_until(lambda: broker_found(up=False), 60)

    said = {}
    for name, address in CONSOLE.items():
        pages.open(address)
        said[name] = pages.text
    assert "does not answer" in said["home"]
    assert "the number of messages is unknown" in said["queues"]
    assert "w1@" in said["workers"]
    submit("meanwhile")
    pages.open(CONSOLE["runs"])
    assert "meanwhile" in pages.page.content()
    assert pages.complaints == []


def test_the_home_refreshes_by_itself_but_not_in_a_hidden_tab(cluster, browse):
    cluster.worker(**WATCHFUL)
    pages = browse(hurried=True)
    pages.open(HOME)
    flow = pages.page.locator("#console-flow")
    assert "Nothing was finished in this time." in flow.inner_text()
    loads: list[str] = []
    pages.page.on("request", lambda request: loads.append(request.resource_type))

    submit("new")
    pages.wait_for(lambda: "Nothing was finished" not in flow.inner_text())
    assert "document" not in loads

    pages.page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})"
    )
    loads.clear()
    for _ in range(3):
        pages.page.clock.fast_forward(REFRESH_MILLISECONDS)
        pages.rest()
    assert loads == []

    pages.page.evaluate("delete document.hidden")
    pages.wait_for(lambda: loads)
    assert pages.complaints == []


def test_on_a_phone_the_home_and_the_queues_can_be_used(browse):
    alerting.alert()
    pages = browse(operator("pause_queue", "acknowledge_alert"), width=NARROW)

    for address in (HOME, QUEUES):
        pages.open(address)
        assert pages.overflow <= 0
        for tab in pages.page.locator(".neural-tabs a").all():
            tab.click(trial=True)  # it can be scrolled to, and nothing covers it
    pages.page.get_by_text("Pause…").first.click()
    assert pages.overflow <= 0
    pages.page.locator(".neural-tabs a").first.click()
    pages.page.wait_for_url(f"**{HOME}")
    pages.page.get_by_role("button", name="Acknowledge").click()
    pages.page.get_by_text("olivia has taken it on").wait_for()
    assert pages.overflow <= 0
    assert pages.complaints == []


def test_the_keyboard_alone_is_enough_to_pause_and_to_acknowledge(browse):
    alerting.alert()
    pages = browse(operator("pause_queue", "acknowledge_alert"))
    keyboard = pages.page.keyboard

    pages.open(HOME)
    pages.tab_to("button[formaction*='/acknowledge/']")
    keyboard.press("Enter")
    pages.page.get_by_text("olivia has taken it on").wait_for()

    pages.open(QUEUES)
    pages.tab_to("summary")
    keyboard.press("Enter")
    pages.tab_to("input[name=reason]", most=1)
    keyboard.type("by hand")
    pages.tab_to("details button")
    keyboard.press("Enter")
    pages.page.get_by_text("by hand", exact=True).wait_for()
    assert pages.complaints == []


def test_the_pages_are_in_the_language_of_their_reader(cluster, browse):
    cluster.worker(**WATCHFUL)
    cluster.broker.stop()
    every(3600, "夜间")
    alerting.alert()
    wait_until(lambda: broker_found(up=False), 60)
    english, chinese = browse(), browse(language="zh-CN")
    ours = untranslated()
    wrong = []

    for address in CONSOLE.values():
        assert english.open(address).locator("html").get_attribute("lang") == "en"
        assert chinese.open(address).locator("html").get_attribute("lang") == "zh-hans"
        texts = set(chinese.texts)
        wrong += [f"{address}: {each}" for each in texts if each in ours or is_english(each)]

    assert not wrong, "\n".join(wrong)
    assert english.complaints + chinese.complaints == []
