"""Rules about beat and its schedules."""

import datetime as dt
import json

import pytest
from django.db.models.functions import Now
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from neural.models import SchedulePolicy, SkipReason, WorkerProcess
from neural.monitoring.alerts.rules import UNKNOWN
from neural.monitoring.alerts.rules.schedules import BEAT_SILENT, SCHEDULE_OVERDUE
from neural.worker.models import ProcessKind
from tests.unit.monitoring.alert_rules import NOON, after, found, judged, view

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_shipped_schedules():
    PeriodicTask.objects.all().delete()


def beat_heard(seconds_ago, **fields):
    return WorkerProcess.objects.create(
        kind=ProcessKind.BEAT,
        name="beat@here",
        host="here",
        process_id=1,
        heartbeat_at=after(-seconds_ago),
        **fields,
    )


def every(seconds, *, last_seconds_ago, name="pays", **fields):
    rhythm, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
    last = after(-last_seconds_ago)
    return PeriodicTask.objects.create(
        name=name, task="app.pay", interval=rhythm, last_run_at=last, **fields
    )


# Beat


@pytest.mark.parametrize(("seconds", "severity"), [(60, None), (61, "critical")])
def test_beat_is_silent_after_a_minute_without_a_heartbeat(seconds, severity):
    beat_heard(seconds)
    assert found(BEAT_SILENT, view()) == ({"": severity} if severity else {})


def test_a_beat_that_was_stopped_and_not_started_again_is_silent_too():
    beat_heard(100, stopped_at=after(-100))
    assert found(BEAT_SILENT, view()) == {"": "critical"}


def test_one_beat_of_several_is_enough():
    beat_heard(9999, lost_at=Now())
    beat_heard(5)
    assert found(BEAT_SILENT, view()) == {}


def test_a_project_whose_beat_was_never_seen_may_run_schedules_otherwise():
    WorkerProcess.objects.create(name="w1", host="here", process_id=1, heartbeat_at=after(-9999))
    assert found(BEAT_SILENT, view()) == {}


# Schedules


@pytest.mark.parametrize(
    ("period", "late", "is_overdue"),
    [
        (600, 60, False),  # the least grace
        (600, 61, True),
        (6000, 600, False),  # a tenth of the period
        (6000, 601, True),
        (86400, 3600, False),  # the greatest grace
        (86400, 3601, True),
    ],
)
def test_a_schedule_is_overdue_beyond_a_grace_that_follows_its_period(period, late, is_overdue):
    every(period, last_seconds_ago=period + late)
    assert found(SCHEDULE_OVERDUE, view()) == ({"pays": "warning"} if is_overdue else {})


def test_an_overdue_schedule_says_since_when():
    every(600, last_seconds_ago=600 + 300)
    (condition,) = judged(SCHEDULE_OVERDUE, view()).conditions
    assert condition.facts == {"due_at": after(-300).isoformat(), "seconds": 300}
    assert "pays" in SCHEDULE_OVERDUE.sentence("pays", condition.facts)
    assert "5 min" in SCHEDULE_OVERDUE.sentence("pays", condition.facts)


def test_a_crontab_is_overdue_by_its_own_zone():
    daily = CrontabSchedule.objects.create(
        minute="0", hour="10", timezone="Europe/Berlin"
    )  # 9:00 UTC
    PeriodicTask.objects.create(
        name="cleans", task="app.clean", crontab=daily, last_run_at=NOON - dt.timedelta(days=1)
    )
    assert found(SCHEDULE_OVERDUE, view(now=NOON.replace(hour=9, minute=30))) == {}
    assert found(SCHEDULE_OVERDUE, view(now=NOON.replace(hour=10, minute=1))) == {
        "cleans": "warning"
    }


def test_schedules_that_are_off_expired_or_not_begun_are_not_overdue():
    every(600, last_seconds_ago=9999, name="off", enabled=False)
    every(600, last_seconds_ago=9999, name="expired", expires=after(-1))
    every(600, last_seconds_ago=9999, name="to begin", start_time=after(1))
    assert found(SCHEDULE_OVERDUE, view()) == {}


def test_a_schedule_of_an_app_that_is_not_installed_is_left_out(settings):
    every(600, last_seconds_ago=9999)
    PeriodicTask.objects.update(task="neural.tasks.deliver_webhook")
    assert found(SCHEDULE_OVERDUE, view()) == {"pays": "warning"}
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "neural.hooks"]
    assert found(SCHEDULE_OVERDUE, view()) == {}


def test_while_beat_is_silent_the_schedules_say_nothing():
    beat_heard(100)
    every(600, last_seconds_ago=9999)
    assert judged(SCHEDULE_OVERDUE, view()) is UNKNOWN


def test_a_schedule_that_cannot_be_used_hides_no_other_and_is_not_changed():
    every(600, last_seconds_ago=9999)
    broken = every(700, last_seconds_ago=9999, name="broken", args=json.dumps([1]))
    IntervalSchedule.objects.filter(pk=broken.interval_id).update(period="fortnights")
    judgement = judged(SCHEDULE_OVERDUE, view())
    assert [each.subject for each in judgement.conditions] == ["pays"]
    assert not judgement.knows("broken")
    assert judgement.knows("pays")
    assert PeriodicTask.objects.get(name="broken").enabled


def test_a_schedule_that_is_refused_is_told_with_the_reason_before_its_grace_is_over():
    row = every(600, last_seconds_ago=610)
    PeriodicTask.objects.update(date_changed=after(-9999))
    SchedulePolicy.record_skip(row.pk, SkipReason.REFUSED, "TypeError: no model_typo", after(-10))

    (condition,) = judged(SCHEDULE_OVERDUE, view()).conditions

    assert (condition.subject, condition.facts) == ("pays", {"refused": "TypeError: no model_typo"})
    told = SCHEDULE_OVERDUE.sentence("pays", condition.facts)
    assert told.endswith("it was refused when it was due: TypeError: no model_typo")
    PeriodicTask.objects.update(last_run_at=after(-1))
    assert found(SCHEDULE_OVERDUE, view()) == {}
