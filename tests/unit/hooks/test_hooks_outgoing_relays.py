"""Relays side by side request one run for each delivery; what is old is pruned; doctor looks."""

import datetime as dt
import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from neural.health.findings import Status
from neural.health.situation import Situation
from neural.hooks.health import webhook_deliveries
from neural.hooks.models import Delivery, DeliveryState, PauseReason, Subscription
from neural.hooks.outgoing import subscribed
from neural.hooks.outgoing.connecting import OLD_DELIVERIES
from neural.hooks.outgoing.scheduling import DELIVER_TASK, request_deliveries
from neural.ledger.prune import Retention, prune_old, prune_runs
from neural.models import RunState, TaskRun
from tests.unit.factories import make_run
from tests.unit.hooks.subscribing import happens, passes, subscribe

URL = "https://erp.example/hook"


@pytest.fixture(autouse=True)
def _forgotten(fake_broker):
    subscribed.forget()
    yield
    subscribed.forget()


def requested():
    return TaskRun.objects.filter(task=DELIVER_TASK)


@pytest.mark.django_db(transaction=True)
def test_relays_at_once_request_one_run_for_each_delivery():
    subscription = subscribe(URL)
    Delivery.objects.bulk_create(
        Delivery(subscription=subscription, type="t", payload={}) for _ in range(60)
    )
    together = threading.Barrier(3)

    def relay():
        try:
            together.wait()
            for _ in range(5):
                request_deliveries()
        finally:
            connection.close()

    threads = [threading.Thread(target=relay) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not Delivery.objects.unrequested().exists()
    named = set(Delivery.objects.values_list("task_id", flat=True))
    assert len(named) == 60
    assert set(requested().values_list("task_id", flat=True)) == named
    kwargs = [run.kwargs["delivery_id"] for run in requested()]
    assert sorted(kwargs) == sorted(Delivery.objects.values_list("pk", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_run_is_requested_together_with_the_note_of_it():
    """A relay that is killed in between has done neither."""
    subscribe(URL)
    happens()
    with transaction.atomic():
        request_deliveries()
        assert requested().count() == 1
        transaction.set_rollback(True)
    assert not requested().exists()
    assert Delivery.objects.unrequested().count() == 1


@pytest.mark.django_db
def test_without_subscriptions_a_relay_asks_nothing(django_assert_num_queries, time_that):
    assert not subscribed.names()
    with django_assert_num_queries(0):
        request_deliveries()


@pytest.mark.django_db
def test_with_nothing_to_do_a_look_is_one_query(django_assert_num_queries, time_that):
    for number in range(3):
        subscribe(URL, name=str(number))
    assert subscribed.names()
    with django_assert_num_queries(1):
        request_deliveries()


@pytest.mark.django_db
def test_the_run_belongs_to_the_store_and_waits_on_the_queue_of_the_setting(settings):
    settings.NEURAL = {**settings.NEURAL, "hook_queue": "low_priority"}
    subscribe(URL)
    happens(store="S1")
    request_deliveries()
    run = requested().get()
    assert (run.store_id, run.queue, run.requested_by) == ("S1", "low_priority", "relay")


@pytest.mark.django_db
def test_old_deliveries_are_pruned_also_those_that_wait(settings):
    settings.NEURAL = {**settings.NEURAL, "hook_deliveries_kept_days": 30}
    subscribe(URL).pause(PauseReason.BY_HAND)
    happens("old")
    passes(days=31)
    happens("young")
    assert prune_old(OLD_DELIVERIES, now=timezone.now()) == 1
    assert Delivery.objects.get().event.event_id == "young"


@pytest.mark.django_db
def test_pruning_a_run_leaves_the_delivery_that_told_of_it():
    subscription = subscribe(URL)
    past = timezone.now() - dt.timedelta(days=60)
    run = make_run(RunState.SUCCEEDED, finished_at=past)
    TaskRun.objects.filter(pk=run.pk).update(created_at=past)
    Delivery.objects.create(subscription=subscription, type="run.succeeded", run=run, payload={})
    assert prune_runs(now=timezone.now(), keep=Retention(states={RunState.SUCCEEDED: 30}))
    assert Delivery.objects.get().run is None


# Doctor


def examined():
    return webhook_deliveries(Situation())


@pytest.mark.django_db
def test_doctor_counts_active_subscriptions():
    subscribe(URL)
    found = examined()
    assert (found.status, found.found) == (Status.OK, "1 active subscription")


@pytest.mark.django_db
def test_doctor_names_what_we_paused_and_not_what_a_person_paused():
    subscribe(URL, name="by hand").pause(PauseReason.BY_HAND)
    assert examined().status == Status.OK
    subscribe(URL, name="dead ERP").pause(PauseReason.FAILING)
    found = examined()
    assert found.status == Status.PROBLEM
    assert found.found == "paused, because the receiver failed: dead ERP"
    assert "Resume" in found.remedy


@pytest.mark.django_db
def test_doctor_warns_of_a_receiver_that_fails():
    subscribe(URL, failures=3)
    assert examined().status == Status.WARNING


@pytest.mark.django_db
def test_doctor_sees_deliveries_that_nobody_sends():
    subscribe(URL)
    happens()
    assert examined().status == Status.OK
    passes(minutes=10)
    assert examined().status == Status.PROBLEM
    Subscription.objects.update(failures=1)  # these wait for another reason
    assert examined().status == Status.OK
    Delivery.objects.update(state=DeliveryState.FAILED)
    assert examined().status == Status.OK
