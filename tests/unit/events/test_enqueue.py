"""Asking for a run of a task: the row, its options, its message."""

import datetime as dt
import threading
import uuid
from decimal import Decimal

import pytest
from celery import current_app
from django.db import transaction
from django.utils import timezone

import neural
from neural.celeryapp.call import OptionNotKept
from neural.celeryapp.task import LedgerTask
from neural.kit.stored_json import NotStorable
from neural.ledger import record
from neural.models import RunState, Store, TaskRun
from tests.probe import tasks
from tests.unit.celeryapp.canvas import ledger_task
from tests.unit.factories import make_store
from tests.unit.side_by_side import (
    in_threads,
    on_postgresql,
    somebody_waits_for_a_lock,
    until,
    while_uncommitted,
    who_wait_for_locks,
)

pytestmark = pytest.mark.django_db


def ask(**options):
    result = tasks.give_back.apply_async(**options)
    return TaskRun.objects.get(task_id=result.id)


def seconds_from_now(moment):
    return (moment - timezone.now()).total_seconds()


def test_a_run_is_recorded_when_it_is_asked_for(fake_broker):
    make_store("S1")

    run = ask(args=(1, "ä"), kwargs={"k": [None]}, store="S1", requested_by="ann")

    assert (run.task, run.args, run.kwargs) == ("probe.give_back", [1, "ä"], {"k": [None]})
    assert (run.state, run.queue, run.priority) == (RunState.PENDING, "default", 5)
    assert (run.store_id, run.requested_by) == ("S1", "ann")
    assert uuid.UUID(run.task_id).version == 7


def test_delay_is_the_same_entry_point(fake_broker):
    tasks.give_back.delay(1, a=2)

    assert TaskRun.objects.get().kwargs == {"a": 2}


def test_its_message_goes_out_on_commit(fake_broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        run = ask(args=[1], queue="low_priority")
        assert fake_broker.sent == []

    (message,) = fake_broker.sent
    assert (message.task_id, message.task, message.queue) == (
        run.task_id,
        "probe.give_back",
        "low_priority",
    )


def test_the_callers_rollback_leaves_nothing(fake_broker, django_capture_on_commit_callbacks):
    def undone():
        with transaction.atomic():
            ask()
            raise KeyError

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(KeyError):
        undone()

    assert not TaskRun.objects.exists()
    assert fake_broker.sent == []


@pytest.mark.parametrize("how", ["countdown", "eta"])
def test_later_is_a_matter_of_the_row_and_no_message_is_sent(
    fake_broker, django_capture_on_commit_callbacks, how
):
    eta = timezone.now() + dt.timedelta(hours=1)
    with django_capture_on_commit_callbacks(execute=True):
        run = ask(**({"countdown": 3600} if how == "countdown" else {"eta": eta}))

    assert 3500 < seconds_from_now(run.available_at) <= 3600
    assert run.publish_at == run.available_at  # the relay's turn, then
    assert fake_broker.sent == []


def test_a_given_task_id_is_kept_and_asked_for_twice_is_one_run(fake_broker):
    first = ask(task_id="mine")
    again = ask(task_id="mine")

    assert first.pk == again.pk


def test_a_task_id_of_other_work_is_refused(fake_broker):
    ask(task_id="mine")

    with pytest.raises(record.TaskIdTaken, match="'mine' was recorded before for other work"):
        ask(task_id="mine", args=("other",))

    assert TaskRun.objects.count() == 1


def test_while_a_unique_run_waits_no_second_one_is_recorded(fake_broker):
    first, again = ask(unique_key="index"), ask(unique_key="index")
    assert first.pk == again.pk

    other = ask(unique_key="other")
    TaskRun.objects.filter(pk=first.pk).update(
        state=RunState.RUNNING, token=1, started_at=timezone.now(), unique_key=None
    )
    assert ask(unique_key="index").pk not in (first.pk, other.pk)
    assert TaskRun.objects.count() == 3


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_unique_run_that_waits_starts_after_the_transaction_that_asked_for_it_again(fake_broker):
    """It sees what that transaction has written, for which no run of its own was recorded."""

    def write_and_ask(look):
        make_store("S1")
        look.apply_async(unique_key="look")

    with ledger_task(how_many_stores) as look:
        look.apply_async(unique_key="look")
        while_uncommitted(lambda: write_and_ask(look), neural.run_due)

    assert [run.result for run in TaskRun.objects.all()] == [1]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_who_asks_while_a_unique_run_waits_to_start_does_not_keep_it_waiting(fake_broker):
    """Transactions that ask for it one after the other would, for as long as they overlap."""
    asked = threading.Event()

    def ask_and_hold():
        with transaction.atomic():
            ask(unique_key="look")
            asked.set()
            until(lambda: who_wait_for_locks() >= 2)  # the start, and who asks behind it

    def ask_behind():
        until(somebody_waits_for_a_lock)
        with transaction.atomic():
            ask(unique_key="look")

    def start():
        assert asked.wait(60)
        neural.run_due()

    first = ask(unique_key="look")
    in_threads(ask_and_hold, start, ask_behind)

    first.refresh_from_db()
    assert first.state == RunState.SUCCEEDED
    assert TaskRun.objects.count() == 2


def how_many_stores():
    return Store.objects.count()


def test_an_option_that_would_be_lost_is_refused_aloud(fake_broker):
    with pytest.raises(OptionNotKept, match="colour"):
        ask(colour=1)
    assert not TaskRun.objects.exists()


@pytest.mark.parametrize(
    "option", [{"link": None}, {"mandatory": True}, {"retry": False}, {"serializer": "json"}]
)
def test_an_option_of_the_message_alone_is_let_pass(fake_broker, option):
    assert ask(**option)


@pytest.mark.parametrize("priority", [0, 11, -1])
def test_a_priority_is_from_1_to_10(fake_broker, priority):
    with pytest.raises(ValueError, match="from 1 to 10"):
        ask(priority=priority)


def test_a_mistyped_queue_is_an_error(fake_broker):
    with pytest.raises(ValueError, match="no queue 'hihg'"):
        ask(queue="hihg")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "JSON"),
        (object(), "JSON"),
        ("a\x00", "U\\+0000"),
        ("\udc00", "surrogate"),
        ("x" * 300_000, "at most 262,144"),
    ],
)
def test_arguments_that_cannot_be_kept_are_refused_with_a_sentence(fake_broker, value, reason):
    with pytest.raises(NotStorable, match=reason):
        ask(args=[value])
    with pytest.raises(NotStorable, match=r"keyword arguments of probe\.give_back"):
        ask(kwargs={"k": value})


def test_arguments_come_back_as_celery_would_bring_them(fake_broker):
    """Dates, Decimals and UUIDs, positional or by keyword."""
    moment = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)
    values = [moment, Decimal("1.10"), uuid.UUID(int=7), dt.date(2026, 3, 1), "ä😀"]
    tasks.give_back.apply_async(args=values, kwargs={"k": values})

    (outcome,) = neural.run_due()

    assert outcome.value == [values, {"k": values}]


def test_a_task_called_directly_is_only_a_function():
    assert tasks.give_back(1, a=2) == [[1], {"a": 2}]
    assert not TaskRun.objects.exists()


def test_an_async_task_called_directly_runs_to_its_end():
    @current_app.task(base=LedgerTask, name="test.async_direct")
    async def double(n):
        return n * 2

    try:
        assert double(21) == 42
    finally:
        current_app.tasks.unregister("test.async_direct")


def test_a_plain_clients_message_is_recorded_once():
    message = {"task": "probe.count", "task_id": "foreign", "args": [], "kwargs": {"key": "k"}}
    for _ in range(2):
        record.record_foreign(**message, queue="default", priority=5)

    run = TaskRun.objects.get()
    assert (run.task_id, run.requested_by) == ("foreign", "celery message")
