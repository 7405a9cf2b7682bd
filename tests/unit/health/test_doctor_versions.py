"""`doctor` tells of workers of different versions, of work nobody knows, of clocks that differ."""

import datetime as dt

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from neural.health import workers
from neural.health.findings import Status
from neural.health.runs import unregistered_work
from neural.health.situation import Situation
from neural.models import WorkerProcess
from tests.unit.factories import make_event, make_run, make_worker

pytestmark = pytest.mark.django_db

KNOWN = {"handlers": ["app.old"], "tasks": {"app.task": "x"}, "event_types": {"app.type": "1"}}
NEWER = {**KNOWN, "handlers": ["app.old", "app.new"]}


# Versions


def test_workers_that_know_the_same_are_ok():
    make_worker("one@h", registered=KNOWN)
    make_worker("two@h", registered=KNOWN)
    make_worker("relay@h", queues=[])

    assert workers.versions(Situation()).status == Status.OK


@pytest.mark.parametrize(
    ("newer", "told"),
    [
        (NEWER, "app.new"),
        ({**KNOWN, "tasks": {"app.task": "x, y="}}, "app.task"),
        ({**KNOWN, "event_types": {"app.type": "2"}}, "app.type"),
    ],
)
def test_a_worker_of_an_older_version_is_named_with_what_it_does_not_know(newer, told):
    make_worker("old@h", registered=KNOWN)
    make_worker("new@h", registered=newer)

    finding = workers.versions(Situation())

    assert finding.status == Status.WARNING
    assert finding.found == f"old@h does not know {told}, or in another version"
    assert "restart those workers" in finding.remedy


def test_a_worker_that_does_not_say_what_it_knows_is_of_an_older_version():
    make_worker("old@h", registered=None)
    make_worker("new@h", registered=NEWER)

    assert "old@h does not know app.new, app.old, app.task and 1 more" in (
        workers.versions(Situation()).found
    )


def test_a_handler_that_is_called_as_its_event_type_is_named_once():
    make_worker("old@h", registered=KNOWN)
    newer = {"handlers": ["app.old", "app.x"], "event_types": {"app.type": "1", "app.x": "1"}}
    make_worker("new@h", registered=KNOWN | newer)

    assert "does not know app.x, or in" in workers.versions(Situation()).found


def waits(handler: str) -> None:
    make_run(event=make_event(), handler=handler)


def test_waiting_work_that_no_living_worker_knows_is_found():
    make_worker("old@h", registered=KNOWN)
    waits("neural.record_stock")  # known to this code

    finding = unregistered_work(Situation())

    assert finding.status == Status.PROBLEM
    assert finding.found == "no living worker knows handler neural.record_stock (1 run)"
    assert "10 min" in finding.remedy


@pytest.mark.parametrize("other", [{"handlers": ["neural.record_stock"]}, None])
def test_work_that_one_of_them_knows_or_may_know_is_ok(other):
    make_worker("old@h", registered=KNOWN)
    make_worker("other@h", registered=other)
    waits("neural.record_stock")

    assert unregistered_work(Situation()).status == Status.OK


# Clocks


@pytest.mark.parametrize(
    ("seconds", "status", "told"),
    [
        (600, Status.PROBLEM, "fast@h is 600 s ahead of the database"),
        (-5, Status.WARNING, "fast@h is 5 s behind the database"),
    ],
)
def test_a_worker_whose_clock_differs_is_named(seconds, status, told):
    make_worker("good@h", clock_ahead=dt.timedelta(seconds=0.1))
    make_worker("fast@h", clock_ahead=dt.timedelta(seconds=seconds))

    finding = workers.clocks(Situation())

    assert (finding.status, finding.found) == (status, told)
    assert "timedatectl" in finding.remedy


def test_each_heartbeat_measures_the_hosts_clock_against_the_databases(monkeypatch):
    worker = make_worker()
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    monkeypatch.setattr("neural.worker.models.timezone.now", lambda: ahead)

    worker.beat()

    worker.refresh_from_db()
    if connection.vendor == "sqlite":  # the database's clock is the host's
        assert worker.clock_ahead is None
    else:
        assert abs(worker.clock_ahead.total_seconds() - 600) < 60


def test_a_workers_page_shows_what_it_knows_and_its_clock(client):
    user = get_user_model().objects.create_superuser("root")
    client.force_login(user)
    make_worker(registered=NEWER, clock_ahead=dt.timedelta(seconds=600))
    make_worker(registered=None)

    for worker in WorkerProcess.objects.order_by("pk"):
        page = client.get(f"/admin/neural/workerprocess/{worker.pk}/change/").content.decode()
        assert ("app.old, app.new" in page) == bool(worker.registered)
        assert ("ahead of the database" in page) == bool(worker.registered)
