"""A delivery exists exactly if what it tells was recorded, and a subscription to it exists."""

import pytest
from django.db import transaction
from django.utils import timezone

import neural
from neural.hooks.models import Delivery
from neural.hooks.outgoing import subscribed
from neural.hooks.outgoing.recording import record_outcomes
from neural.hooks.outgoing.subscribed import matches_nothing, matching_event
from neural.ledger.outcome import Outcome
from neural.ledger.ports import Ended
from neural.ledger.settle import Fenced, mark_lost, settle
from neural.models import RunState
from tests.unit.factories import make_run, make_store
from tests.unit.hooks.subscribing import STOCK, happens, subscribe

URL = "https://erp.example/hook"


@pytest.fixture(autouse=True)
def _unsubscribed():
    """What this process remembers of one test's subscriptions is nothing to the next."""
    subscribed.forget()
    yield
    subscribed.forget()


def told():
    return sorted(Delivery.objects.values_list("subscription__name", "store", "type"))


def test_a_name_a_family_and_a_star_are_ways_to_subscribe():
    assert matching_event("a.b.c") == {"*", "a.*", "a.b.*", "a.b.c"}
    assert matching_event("plain") == {"*", "plain"}


@pytest.mark.parametrize("name", ["order.*", "*", "order.stated", "run.*", "run.dead"])
def test_what_can_happen_can_be_subscribed_to(name):
    assert not matches_nothing(name, ["order.stated", "payment.stated"])


@pytest.mark.parametrize("name", ["ordre.*", "order", "order.", "o*", "*.stated", "run.failed", ""])
def test_what_can_never_happen_is_recognised(name):
    assert matches_nothing(name, ["order.stated", "payment.stated"])


@pytest.mark.django_db
def test_an_event_is_told_to_those_who_subscribe_to_its_type_and_store(fake_broker):
    subscribe(URL, STOCK, name="exact")
    subscribe(URL, "inventory.*", "*", STOCK, name="three ways, told once")
    subscribe(URL, "*", name="all")
    subscribe(URL, STOCK, name="its store", stores=["S1", "S2"])
    subscribe(URL, STOCK, name="another store", stores=["S2"])
    subscribe(URL, "order.*", "inventory.low", "run.*", name="another type")
    happens()
    names = ["all", "exact", "its store", "three ways, told once"]
    assert told() == [(name, "S1", STOCK) for name in names]


@pytest.mark.django_db
def test_a_star_does_not_reach_into_another_family(fake_broker):
    subscribe(URL, "inventory.low.*", "inv.*", "inventory")
    happens()
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_every_store_means_also_a_store_that_nobody_knew(fake_broker):
    subscribe(URL)
    happens(store="brand-new")
    assert told() == [("ERP", "brand-new", STOCK)]


@pytest.mark.django_db
def test_of_many_events_of_many_stores_each_is_told_once(fake_broker):
    subscribe(URL, stores=["S1", "S3"])
    requests = [
        {
            "type": STOCK,
            "store": f"S{number % 4}",
            "source": "pos",
            "event_id": str(number),
            "payload": {"item": "flour", "level": number},
        }
        for number in range(40)
    ]
    list(neural.submit_many(requests))
    found = Delivery.objects.values_list("event__event_id", "store")
    assert sorted(found) == sorted((str(n), f"S{n % 4}") for n in range(40) if n % 4 in (1, 3))


@pytest.mark.django_db
def test_a_thread_that_asks_before_the_commit_does_not_hide_a_new_subscription(
    fake_broker, monkeypatch, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        subscribe(URL)
        monkeypatch.setattr(subscribed, "_known", (frozenset(), float("inf")))  # the other thread
    happens()
    assert Delivery.objects.exists()


@pytest.mark.django_db
def test_a_repeated_event_is_not_told_again(fake_broker):
    subscribe(URL)
    happens()
    happens()
    assert Delivery.objects.count() == 1


@pytest.mark.django_db
def test_an_event_that_is_rolled_back_is_told_to_nobody(fake_broker):
    subscribe(URL)
    with transaction.atomic():
        happens()
        assert Delivery.objects.count() == 1
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_history_is_told_only_to_those_who_want_it(fake_broker):
    subscribe(URL, name="live alone")
    subscribe(URL, name="history, too", history=True)
    requests = {"type": STOCK, "store": "S1", "source": "pos", "event_id": "1"}
    requests |= {"payload": {"item": "flour", "level": 1}}
    list(neural.submit_many([requests], backfill=True))
    assert told() == [("history, too", "S1", STOCK)]


@pytest.mark.django_db
def test_history_stays_history_in_a_call_that_has_new_events_too(fake_broker):
    subscribe(URL)
    request = {"type": STOCK, "source": "pos", "payload": {"item": "flour", "level": 1}}
    new = [request | {"store": "S1", "event_id": each} for each in ("1", "11")]
    old = [request | {"store": "S2", "event_id": each, "backfill": True} for each in ("1", "2")]
    list(neural.submit_many([new[0], *old, new[1]]))
    assert [store for _, store, _ in told()] == ["S1", "S1"]


@pytest.mark.django_db
def test_what_happens_while_a_subscription_is_paused_waits(fake_broker):
    subscription = subscribe(URL)
    subscription.pause("by_hand")
    happens()
    assert Delivery.objects.unrequested().count() == 1


@pytest.mark.django_db
def test_without_subscriptions_submitting_costs_one_look_in_seconds(
    fake_broker, time_that, django_assert_num_queries
):
    subscribed.forget()
    with django_assert_num_queries(1):
        assert not subscribed.names()
    with django_assert_num_queries(0):
        time_that.passes(4.9)
        assert not subscribed.to_event(STOCK)
        assert not subscribed.to_outcomes()


@pytest.mark.django_db
def test_a_subscription_that_another_process_made_is_respected_after_five_seconds(
    fake_broker, time_that
):
    assert not subscribed.names()
    known = subscribed._known
    subscribe(URL)
    subscribed._known = known  # as if it had been saved elsewhere
    happens("1")
    time_that.passes(5.1)
    happens("2")
    assert list(Delivery.objects.values_list("event__event_id", flat=True)) == ["2"]


@pytest.mark.django_db
def test_a_deleted_subscription_gets_nothing_more_and_is_deleted_at_once(fake_broker):
    subscription = subscribe(URL)
    happens("1")
    subscription.delete()
    happens("2")
    assert list(Delivery.objects.values_list("event__event_id", flat=True)) == ["1"]
    assert not Delivery.objects.select_related("subscription")  # shown nowhere; pruned by age


# Outcomes


@pytest.mark.django_db
def test_outcomes_of_an_events_runs_are_told_when_they_are_recorded(fake_broker):
    subscribe(URL, "run.*", name="both", stores=["S1"])
    subscribe(URL, "run.dead", name="dead alone")
    subscribe(URL, "*", name="events alone")
    subscribe(URL, "run.*", name="another store", stores=["S2"])
    event = happens()
    (outcome, *_) = neural.run_due()
    assert outcome.state == RunState.SUCCEEDED
    mine = Delivery.objects.get(subscription__name="both", run=outcome.run)
    assert (mine.type, mine.store_id, mine.event) == ("run.succeeded", "S1", event)
    assert mine.payload == {
        "store": "S1",
        "source": "pos",
        "event_id": "1",
        "event_type": STOCK,
        "task_id": outcome.run.task_id,
        "handler": outcome.run.handler,
        "state": "succeeded",
        "error_type": "",
    }
    others = Delivery.objects.exclude(subscription__name="both")
    assert {(each.subscription.name, each.type) for each in others} == {("events alone", STOCK)}


def claimed(event):
    """The event's run, as a worker has it."""
    event.runs.update(state=RunState.RUNNING, token=7, started_at=timezone.now())
    return event.runs.get()


@pytest.mark.django_db
def test_a_dead_run_is_told_with_the_class_of_its_error_and_no_more(fake_broker):
    subscribe(URL, "run.dead")
    run, now = claimed(happens()), timezone.now()
    died = {"state": RunState.DEAD, "error": "ValueError: private", "exception": ValueError()}
    settle([Outcome(run=run, started_at=now, finished_at=now, **died)])
    mine = Delivery.objects.get(run=run)
    assert (mine.type, mine.payload["state"]) == ("run.dead", "dead")
    assert mine.payload["error_type"] == "ValueError"
    assert "private" not in str(mine.payload)


@pytest.mark.django_db
def test_a_run_that_is_dead_because_its_worker_was_lost_is_told_too(fake_broker):
    subscribe(URL, "run.dead")
    run = claimed(happens())
    mark_lost([run], max_losses=2, why="its worker was lost")
    assert not Delivery.objects.exists()  # it is tried once more
    run = claimed(run.event)
    mark_lost([run], max_losses=2, why="its worker was lost")
    assert Delivery.objects.get(run=run).payload["error_type"] == ""


@pytest.mark.django_db
def test_an_outcome_that_is_not_recorded_is_told_to_nobody(fake_broker):
    subscribe(URL, "run.succeeded")
    run, now = claimed(happens()), timezone.now()
    run.token = 8  # another worker has it by now
    with pytest.raises(Fenced), transaction.atomic():
        settle([Outcome(run=run, state=RunState.SUCCEEDED, started_at=now, finished_at=now)])
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_a_run_that_belongs_to_no_event_is_told_to_nobody(fake_broker):
    """So deliveries never tell of deliveries."""
    subscribe(URL, "run.*")
    run = make_run(RunState.SUCCEEDED, store=make_store("S1"))
    record_outcomes([Ended(run, RunState.SUCCEEDED, "")])
    assert not Delivery.objects.exists()
