"""A project elsewhere: new stores and schedules are where its settings say, not in Shanghai."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from pydantic import ValidationError

import neural
from neural.forecasting.checks import check_country
from neural.forecasting.shipped import TRAINING_SCHEDULE
from neural.health.system_checks import check_settings
from neural.kit.conf.ledger import NeuralSettings
from neural.models import Store, TaskRun
from neural.restaurant.analysis.analysing import ANALYSIS_SCHEDULE
from neural.restaurant.models import DailyDemand
from neural.retrieval.index.compaction import COMPACTION_SCHEDULE
from neural.schedules.shipped import make
from tests.unit.restaurant.history import handle
from tests.unit.schedules.beating import Beat, Clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin(settings):
    settings.TIME_ZONE = settings.CELERY_TIMEZONE = "Europe/Berlin"
    settings.NEURAL = {"search": False, "default_country": "DE"}


def sale(**changes):
    lines = [{"dish": "Brot", "quantity": 1, "price": "4"}]
    payload = {"order_id": "1", "currency": "EUR", "lines": lines}
    own = {"type": "order.created", "store": "B1", "source": "till", "event_id": "1"}
    return {**own, "payload": payload, **changes}


def test_a_sale_of_the_evening_without_zone_is_of_that_day(berlin, fake_broker):
    answer = neural.submit(**sale(occurred_at="2026-03-02T18:30:00"))

    store = Store.objects.get(pk="B1")
    assert (store.time_zone, store.country) == ("Europe/Berlin", "DE")
    assert answer.event.occurred_at.isoformat() == "2026-03-02T17:30:00+00:00"
    assert store.business_day(answer.event.occurred_at) == dt.date(2026, 3, 2)


def test_a_sale_of_the_evening_counts_for_that_days_demand(berlin, fake_broker):
    handle(neural.submit(**sale(occurred_at="2026-03-02T18:30:00+01:00")).event)

    assert DailyDemand.objects.get().day == dt.date(2026, 3, 2)


def test_a_store_made_by_hand_is_there_too_and_those_that_are_there_keep_theirs(
    berlin, fake_broker
):
    kept = Store.objects.create(code="S1", time_zone="Asia/Shanghai", country="CN")
    made = Store.objects.create(code="B2")
    neural.submit(**sale(store="S1"))

    for store in (kept, made):
        store.refresh_from_db()
    assert (kept.time_zone, kept.country) == ("Asia/Shanghai", "CN")
    assert (made.time_zone, made.country) == ("Europe/Berlin", "DE")


def test_without_a_country_no_public_holidays_are_taken_for_granted(settings, fake_broker):
    settings.NEURAL = {"search": False}

    neural.submit(**sale())

    assert Store.objects.get(pk="B1").country == ""


def test_stores_may_be_elsewhere_than_the_people_who_look(berlin, settings, fake_broker):
    settings.NEURAL = {"search": False, "default_time_zone": "America/New_York"}

    neural.submit(**sale())

    assert Store.objects.get(pk="B1").time_zone == "America/New_York"


@pytest.mark.parametrize("schedule", [TRAINING_SCHEDULE, ANALYSIS_SCHEDULE, COMPACTION_SCHEDULE])
def test_schedules_that_come_with_the_app_are_at_night_there(berlin, schedule):
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()

    assert make(schedule)

    assert str(PeriodicTask.objects.get().crontab.timezone) == "Europe/Berlin"


def test_beat_finds_them_due_in_the_night_there(berlin, monkeypatch):
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()
    clock = Clock().rules(monkeypatch)
    clock.now = dt.datetime(2026, 7, 1, 21, 30, tzinfo=dt.UTC)  # 23:30 there, 5:30 in Shanghai
    for schedule in (TRAINING_SCHEDULE, ANALYSIS_SCHEDULE):
        make(schedule)
    PeriodicTask.objects.update(date_changed=clock.now)
    beat, due = Beat(), {}

    for _ in range(24 * 4):
        beat.looks()
        for run in TaskRun.objects.exclude(task__in=due):
            due[run.task] = clock.now.astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M")
        clock.moves(minutes=15)

    assert due == {ANALYSIS_SCHEDULE.task: "02:00", TRAINING_SCHEDULE.task: "03:00"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"default_time_zone": "Mars/Olympus"},
        {"default_time_zone": "../etc/passwd"},
        {"default_country": "de"},
        {"default_country": "Germany"},
    ],
)
def test_a_zone_or_country_that_is_none_is_refused_at_start(settings, wrong):
    settings.NEURAL = wrong

    with pytest.raises(ValidationError):
        NeuralSettings(**wrong)
    (error,) = check_settings()
    assert error.id == "neural.E001"
    assert next(iter(wrong)) in error.msg
    with pytest.raises(SystemCheckError):
        call_command("check")


def test_a_country_whose_holidays_nobody_knows_is_told(settings):
    settings.NEURAL = {"default_country": "XX"}

    (warning,) = check_country()

    assert (warning.id, "'XX'" in warning.msg) == ("neural.W002", True)
    settings.NEURAL = {"default_country": "DE"}
    assert check_country() == []


def test_the_project_here_says_where_it_is(settings):
    assert settings.NEURAL["default_time_zone"] == settings.TIME_ZONE == "Asia/Shanghai"
    assert settings.NEURAL["default_country"] == "CN"
