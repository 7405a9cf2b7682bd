"""One truth about a schedule: the pages, the home, the alert and doctor say the same of it."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from neural.health import workers
from neural.health.situation import Situation
from neural.models import ProcessKind, SchedulePolicy, SkipReason, WorkerProcess
from neural.monitoring.alerts.rules.schedules import BEAT_SILENT, SCHEDULE_OVERDUE
from neural.monitoring.console.schedules import nightly_work
from neural.monitoring.models import AlertRule
from neural.schedules import state
from neural.schedules.state import all_schedules, overdue, schedule_states
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.alert_rules import found, view
from tests.unit.schedules.beating import daily

pytestmark = pytest.mark.django_db

PAGE = "/admin/neural/schedulepolicy/"


@pytest.fixture(autouse=True)
def _no_schedule_yet(db: None) -> None:
    PeriodicTask.objects.all().delete()


def every(seconds: int, *, late: float, name: str = "pays", **fields: Any) -> PeriodicTask:
    """A schedule to which beat should have come so many seconds ago."""
    interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
    last = timezone.now() - dt.timedelta(seconds=seconds + late)
    fields = {"task": "neural.tasks.analyse_demand", "last_run_at": last} | fields
    return PeriodicTask.objects.create(name=name, interval=interval, **fields)


def late_ones() -> tuple[set[str], set[str], set[str]]:
    """Whom the alert, the page's list of all and the page's rows call overdue."""
    context = world.superuser().get(PAGE).context
    told = set(found(SCHEDULE_OVERDUE, view(now=timezone.now())))
    rows = {each.name for each in context["rows"] if each.is_overdue}
    return told, {each.name for each in context["overdue"]}, rows


def test_alert_and_page_call_the_same_overdue_after_the_same_grace() -> None:
    every(86_400, late=1800, name="within its grace")
    every(86_400, late=4000, name="beyond it")
    every(86_400, late=1800, name="off", enabled=False)
    every(86_400, late=9000, name="over", expires=timezone.now())

    assert late_ones() == ({"beyond it"},) * 3
    page = world.superuser().get(PAGE).content.decode()
    assert page.count("overdue since") == 1
    assert page.count("due since") == 2  # beat has not come, but may still


def test_an_edited_grace_changes_what_all_of_them_call_overdue() -> None:
    every(86_400, late=1800)
    assert late_ones() == (set(), set(), set())

    edited = {"schedule_grace_most_seconds": 600}
    AlertRule.objects.create(name="schedule_overdue", thresholds=edited)

    assert late_ones() == ({"pays"},) * 3
    (row,) = nightly_work(world.superuser().get(PAGE).wsgi_request.user)
    assert row.is_overdue


def test_what_was_refused_is_overdue_for_all_of_them() -> None:
    row = every(86_400, late=10)
    PeriodicTask.objects.update(date_changed=timezone.now() - dt.timedelta(days=9))
    SchedulePolicy.record_skip(row.pk, SkipReason.REFUSED, "TypeError: no", timezone.now())

    assert late_ones() == ({"pays"},) * 3


def test_what_beat_leaves_out_for_an_app_that_is_absent_is_overdue_for_nobody(settings) -> None:
    every(600, late=9000, task="neural.tasks.deliver_webhook")
    assert late_ones() == ({"pays"},) * 3

    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if each != "neural.hooks"]

    assert found(SCHEDULE_OVERDUE, view(now=timezone.now())) == {}
    assert overdue(timezone.now()) == []
    (row,) = schedule_states(all_schedules(), now=timezone.now())
    assert (row.trouble, row.upcoming) == ("the app of its task is not installed", [])


def test_of_more_schedules_than_are_looked_at_all_look_at_the_same(monkeypatch) -> None:
    monkeypatch.setattr(state, "MOST_LOOKED_AT", 3)
    for number in range(5):  # the first by key, and none is late
        every(600, late=-10, name=f"a{number}")
    every(600, late=9000, name="z late")

    told, listed, _rows = late_ones()

    assert told == listed == {"z late"}


def test_doctor_says_of_what_is_off_what_the_page_says() -> None:
    PeriodicTask.objects.create(name="nightly", task="app.x", crontab=daily(4), enabled=False)

    finding = workers.schedules_off(Situation())

    (row,) = schedule_states(all_schedules(), now=timezone.now())
    assert finding.found == f"nightly ({row.trouble})"


@pytest.mark.parametrize(("limit", "is_silent"), [(30, True), (120, False)])
def test_page_and_alert_call_beat_silent_after_the_same_edited_time(limit, is_silent) -> None:
    heard = timezone.now() - dt.timedelta(seconds=80)
    WorkerProcess.objects.create(
        kind=ProcessKind.BEAT, name="b", host="h", process_id=1, heartbeat_at=heard
    )
    edited = {"beat_silent_seconds": limit}
    AlertRule.objects.create(name="beat_silent", thresholds=edited)

    page = world.superuser().get(PAGE).content.decode()

    own = view(now=timezone.now(), own={"beat_silent": edited})
    assert ("Beat is silent" in page) is bool(found(BEAT_SILENT, own)) is is_silent


def test_any_number_of_schedules_costs_the_same_statements(django_assert_num_queries) -> None:
    for number in range(20):
        every(600, late=9000, name=f"a{number:02}", enabled=bool(number % 2))
    now = timezone.now()

    with django_assert_num_queries(4):  # schedules, policies, who switched off, thresholds
        states = schedule_states(all_schedules(), now=now)
        assert sum(each.is_overdue for each in states) == 10
    with django_assert_num_queries(3):
        assert len(overdue(now)) == 10
