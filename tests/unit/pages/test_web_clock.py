"""A web process whose clock is wrong shows the same as one whose clock is right."""

import datetime as dt

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from neural.ledger.clock import database_clock
from neural.models import RunState
from neural.monitoring.models import Alert, Severity
from neural.queues.pausing import pauses
from neural.runs import selecting
from tests.unit.admin import admin_world as world
from tests.unit.factories import ago, make_run
from tests.unit.forecasting import learning_world as learning
from tests.unit.monitoring.failing import fail, grouped

pytestmark = pytest.mark.django_db

RUNS = "/admin/neural/taskrun/"
LISTS = "admin:neural_monitoring_{}_changelist"


@pytest.fixture(params=[-3, 3], ids=lambda hours: f"{hours:+}h")
def goes_wrong(request, monkeypatch):
    """From its call on, the clock of this host is so many hours wrong, or ``times`` as many; the
    database's is right."""
    host = timezone.now

    def go(times=1):
        wrong = dt.timedelta(hours=request.param * times)
        monkeypatch.setattr(timezone, "now", lambda: host() + wrong)

    return go


@pytest.fixture
def runs():
    """A run of two hours ago, and one of ten minutes ago."""
    return [
        make_run(RunState.DEAD, created_at=moment, available_at=moment)
        for moment in (ago(hours=2), ago(minutes=10))
    ]


def test_a_period_of_runs_counts_back_from_the_databases_time(runs, goes_wrong, monkeypatch):
    monkeypatch.setattr(selecting, "NEAR", 1)  # the keys of a period are looked for at once
    old, new = runs
    client = world.superuser()
    goes_wrong()

    page = client.get(RUNS, {"period": "1h"}).content.decode()

    assert f"{RUNS}{new.pk}/change/" in page
    assert f"{RUNS}{old.pk}/change/" not in page


def test_how_long_ago_a_run_was_due_is_told_by_the_databases_time(runs, goes_wrong):
    client = world.superuser()
    goes_wrong()

    page = client.get(RUNS, {"period": "1h"}).content.decode()

    assert ">10 min" in page.replace("\n", "")


def test_the_histogram_of_runs_ends_at_the_databases_time(runs, goes_wrong):
    client = world.superuser()
    goes_wrong()

    figures = client.get(f"{RUNS}figures/", {"period": "1h"}).content.decode()

    assert ": 1 run" in figures


@pytest.mark.django_db(transaction=True)
def test_error_groups_that_failed_in_the_last_hour_did_so_by_the_databases_time(goes_wrong):
    fail("order 1 is late", at=ago(hours=2))
    fail("order 1 is lost", at=ago(minutes=10))
    grouped()
    client = world.superuser()
    goes_wrong()

    found = client.get(reverse(LISTS.format("errorgroup")), {"hours": "1"}).context["cl"]

    assert ["find_lost" in group.frame for group in found.result_list] == [True]
    assert sum(found.result_list[0].figures.trend) == 1


def test_alerts_of_the_last_day_are_those_by_the_databases_time(goes_wrong):
    for rule, hours in (("older", 25), ("newer", 23)):
        since = ago(hours=hours)
        Alert.objects.create(rule=rule, facts={}, severity=Severity.CRITICAL, since=since)
    client = world.superuser()
    goes_wrong()

    found = client.get(reverse(LISTS.format("alert")), {"days": "1"}).context["cl"]

    assert [alert.rule for alert in found.result_list] == ["newer"]


def test_a_store_without_orders_shows_the_day_that_it_is_by_the_databases_time(goes_wrong):
    store, client = world.store(), world.superuser()
    days = {store.business_day(database_clock())}
    goes_wrong(times=16)

    shown = client.get(reverse("admin:neural_restaurant_dayclose_day", args=["S1"])).context
    chosen = client.get(reverse("admin:neural_restaurant_dayclose_choose")).context["today"]

    days.add(store.business_day(database_clock()))  # midnight may have passed
    assert shown["summary"].day in days
    assert abs(chosen - shown["summary"].day) <= dt.timedelta(days=1)


def test_portions_are_for_tomorrow_by_the_databases_time(goes_wrong):
    store, client = world.store(), world.superuser()
    today = store.business_day(database_clock())
    learning.forecast(store, made_on=today - dt.timedelta(days=1))
    goes_wrong(times=16)

    page = client.get(reverse("admin:neural_forecasting_forecast_store", args=["S1"]))

    days = {today, store.business_day(database_clock())}
    assert page.context["outlook"].prepare_on in {day + dt.timedelta(days=1) for day in days}


def test_a_queue_is_paused_by_command_until_a_time_of_the_databases_clock(goes_wrong):
    goes_wrong()

    call_command("queue", "pause", "default", "--reason", "repairs", "--for", "2h")

    left = pauses().get().until - database_clock()
    assert dt.timedelta(minutes=119) < left <= dt.timedelta(hours=2)
