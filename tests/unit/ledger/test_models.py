"""Verbs are conditional, and constraints live in the database."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from neural.models import RunState, Store, TaskAttempt, TaskRun, WorkerProcess
from tests.unit.factories import ago, make_event, make_run, make_store, make_worker

pytestmark = pytest.mark.django_db

ALLOWED = {
    "retry": {RunState.DEAD, RunState.CANCELLED, RunState.DISCARDED},
    "hurry": {RunState.PENDING},
    "cancel": {RunState.PENDING},
    "discard": {RunState.DEAD},
}
BECOMES = {
    "retry": RunState.PENDING,
    "hurry": RunState.PENDING,
    "cancel": RunState.CANCELLED,
    "discard": RunState.DISCARDED,
}


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("verb", ALLOWED)
def test_a_verb_changes_a_run_in_a_state_that_allows_it_and_says_so(verb, state):
    run = make_run(state)
    allowed = state in ALLOWED[verb]

    assert getattr(run, verb)() is allowed

    stored = TaskRun.objects.get().state
    assert stored == (BECOMES[verb] if allowed else state)
    assert run.state == stored


def test_a_verb_looks_at_the_database_and_not_at_what_was_read_before():
    run = make_run()
    TaskRun.objects.update(state=RunState.RUNNING, token=1, started_at=timezone.now())

    assert not run.cancel()

    assert TaskRun.objects.get().state == RunState.RUNNING


def test_retry_restores_the_retries_and_makes_the_run_due_at_once():
    run = make_run(RunState.DEAD, failures=4, losses=4, available_at=ago(days=9))

    run.retry()

    assert (run.failures, run.losses, run.finished_at) == (0, 0, None)
    assert TaskRun.objects.due().get() == TaskRun.objects.unpublished().get() == run


def test_retry_of_many_does_what_retry_of_one_does():
    make_run(RunState.DEAD, failures=4)
    make_run(RunState.SUCCEEDED)

    assert TaskRun.objects.all().retry() == 1

    assert TaskRun.objects.due().get().failures == 0


def test_hurry_makes_a_waiting_run_due_at_once():
    later = timezone.now() + dt.timedelta(hours=1)
    run = make_run(available_at=later, publish_at=later)
    assert not TaskRun.objects.due().exists()

    run.hurry()

    assert TaskRun.objects.due().get() == TaskRun.objects.unpublished().get() == run


def refused(write):
    with pytest.raises(IntegrityError), transaction.atomic():
        write()


def test_the_database_refuses_a_second_run_of_one_handler_for_one_event():
    event = make_event()
    make_run(event=event, handler="h")

    refused(lambda: make_run(event=event, handler="h"))
    make_run(event=event, handler="other")


def test_the_database_refuses_a_second_event_of_one_identity():
    make_event("1")

    refused(lambda: make_event("1"))
    make_event("1", store="S02")
    make_event("1", source="kiosk")


def test_the_database_refuses_a_second_waiting_run_of_one_unique_key():
    make_run(unique_key="k")

    refused(lambda: make_run(unique_key="k"))
    make_run(RunState.SUCCEEDED, unique_key="k")


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "odd"},
        {"priority": 0},
        {"priority": 11},
        {"state": "running", "token": None, "started_at": None},
        {"state": "running", "token": 1, "started_at": None},
        {"state": "succeeded", "finished_at": None},
        {"state": "dead", "finished_at": None},
    ],
)
def test_the_database_refuses_a_run_that_makes_no_sense(fields):
    run = make_run()

    refused(lambda: TaskRun.objects.filter(pk=run.pk).update(**fields))


def test_the_database_refuses_an_unknown_outcome_of_an_attempt():
    run = make_run()

    refused(lambda: TaskAttempt.objects.create(run=run, outcome="odd", started_at=ago(minutes=1)))


def test_the_database_refuses_an_event_without_payload_unless_it_was_pruned():
    event = make_event()

    refused(lambda: type(event).objects.update(payload=None))
    type(event).objects.update(payload=None, pruned_at=timezone.now())


def test_two_runs_cannot_have_one_task_id():
    make_run(task_id="x")

    refused(lambda: make_run(task_id="x"))


# Stores


def test_a_time_without_zone_is_the_stores_own():
    store = make_store()
    store.time_zone = "Asia/Tokyo"
    naive = dt.datetime(2026, 3, 1, 12)

    assert store.localize(naive).utcoffset() == dt.timedelta(hours=9)
    zoned = naive.replace(tzinfo=dt.UTC)
    assert store.localize(zoned) is zoned


@pytest.mark.parametrize(
    ("clock", "day"),
    [
        ("23:59", "2026-03-01"),
        ("00:30", "2026-03-01"),
        ("02:59", "2026-03-01"),
        ("03:00", "2026-03-02"),
    ],
)
def test_a_business_day_may_end_after_midnight(clock, day):
    store = Store(code="S", time_zone="Asia/Shanghai", day_ends_at=dt.time(3))
    date = "2026-03-01" if clock == "23:59" else "2026-03-02"

    moment = dt.datetime.fromisoformat(f"{date}T{clock}:00")

    assert store.business_day(moment).isoformat() == day


def test_an_unknown_time_zone_is_not_valid():
    with pytest.raises(ValidationError, match="Mars"):
        Store(code="S", time_zone="Mars/Olympus").full_clean()


# Workers


def test_a_worker_is_present_until_it_stops_or_is_given_up():
    stays, stops, lost = (make_worker(f"{n}@h") for n in ("stays", "stops", "lost"))
    stops.stop()
    assert WorkerProcess.objects.get(pk=lost.pk).give_up()

    assert WorkerProcess.objects.present().get() == stays


def test_a_worker_that_was_heard_of_meanwhile_is_not_given_up():
    worker = make_worker(heartbeat_at=ago(minutes=1))
    read_earlier = WorkerProcess.objects.silent(20).get()
    worker.beat()

    assert not read_earlier.give_up()


# Attempts, told


def test_attempt_number_wait_and_duration():
    moment = ago(minutes=1)
    run = make_run(
        RunState.SUCCEEDED,
        failures=1,
        losses=1,
        available_at=moment,
        started_at=moment + dt.timedelta(seconds=2),
        finished_at=moment + dt.timedelta(seconds=5),
    )

    assert run.attempt_number == 3
    assert (run.wait.total_seconds(), run.duration.total_seconds()) == (2, 3)
    assert make_run().attempt_number == 0


def test_a_task_id_has_one_index():
    """Each is written at every change of every run."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, TaskRun._meta.db_table)

    assert [name for name, each in found.items() if each["columns"] == ["task_id"]] == [
        "neural_run_task_id"
    ]


@pytest.mark.parametrize("country", ["CN", "DE", ""])
def test_a_country_is_two_capital_letters_or_unknown(country):
    Store(code="S1", country=country).clean_fields()


@pytest.mark.parametrize("country", ["cn", "CHN", "C", "C1", "CN\n"])
def test_anything_else_is_no_country(country):
    with pytest.raises(ValidationError):
        Store(code="S1", country=country).clean_fields()


def test_a_store_that_nobody_said_the_country_of_is_where_the_settings_say():
    make_event(store="S77")

    assert Store.objects.get(pk="S77").country == "CN"
