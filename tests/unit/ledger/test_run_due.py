"""`run_due`: the tests of other apps run what is due, in their own transaction."""

import datetime as dt

import pytest
from django.db import IntegrityError
from django.utils import timezone

import neural
from neural.models import RunState, TaskRun
from tests.probe.models import Counter, Effect
from tests.unit.factories import make_run

pytestmark = pytest.mark.django_db


def submit(key, **payload):
    kind = payload.pop("kind", "probe.counted")
    return neural.submit(
        type=kind, store="S1", source="test", event_id=key, payload={"key": key, **payload}
    ).or_raise()


def test_everything_that_is_due_runs_without_a_broker():
    for key in "abc":
        submit(key)

    outcomes = neural.run_due()

    assert [outcome.succeeded for outcome in outcomes] == [True] * 3
    assert Effect.counts() == {"a": 1, "b": 1, "c": 1}
    assert neural.run_due() == []


def test_the_most_urgent_runs_first():
    submit("low", kind="probe.low")
    submit("urgent", kind="probe.urgent")

    neural.run_due()

    assert list(Effect.objects.order_by("pk").values_list("key", flat=True)) == ["urgent", "low"]


def test_a_retry_is_not_due_before_its_time_and_a_later_now_reaches_it():
    submit("flaky", fail_times=1)

    (failed,) = neural.run_due()
    assert isinstance(failed.exception, Exception)
    assert neural.run_due() == []
    (again,) = neural.run_due(now=timezone.now() + dt.timedelta(minutes=2))

    assert again.succeeded
    assert Effect.counts() == {"flaky": 1}


def test_only_one_queue_when_asked():
    submit("low", kind="probe.low")
    submit("default")

    neural.run_due(queue="low_priority")

    assert Effect.counts() == {"low": 1}


def test_handlers_of_one_type_neither_hold_nor_repeat_each_other():
    submit("pair", kind="probe.pair", fail_times=1)

    neural.run_due()
    neural.run_due(now=timezone.now() + dt.timedelta(minutes=2))

    assert Effect.counts() == {"pair": 1, "pair-right": 1}


def test_an_async_handler_runs_to_its_end_in_two_steps():
    from neural.events.registry import handler

    assert not handler("probe.count_async").atomic


def test_a_handlers_own_retry_policy_counts():
    submit("policy", kind="probe.policy", fail_times=9)

    (first,) = neural.run_due()
    run = TaskRun.objects.get()
    assert run.available_at - first.finished_at == dt.timedelta(seconds=7)
    neural.run_due(now=timezone.now() + dt.timedelta(seconds=8))

    assert TaskRun.objects.get().state == RunState.DEAD
    assert not Effect.objects.exists()


@pytest.mark.parametrize("name", ["probe.count", "probe.count_in_two_steps"])
def test_an_integrity_error_is_a_failed_attempt_and_no_more(monkeypatch, name):
    """In a test the connection is the test's own: it must not be closed for it."""

    def twice(order, **_):
        Counter.objects.create(name="twice")
        Counter.objects.create(name="twice")

    monkeypatch.setattr("tests.probe.tasks.act", twice)
    make_run(task=name, kwargs={"key": "k"})
    Counter.objects.create(name="before")

    (outcome,) = neural.run_due()

    assert isinstance(outcome.exception, IntegrityError)
    assert TaskRun.objects.get().failures == 1
    assert Counter.objects.filter(name="before").exists()


def test_a_task_asks_for_its_own_retry():
    from tests.probe.tasks import asks_for_retry

    asks_for_retry.apply_async(args=["k"])

    first, second = neural.run_due(now=timezone.now() + dt.timedelta(minutes=1))

    assert first.state == RunState.PENDING
    assert first.failures == 1
    assert (second.succeeded, second.value) == (True, 1)


def test_an_event_whose_handler_is_gone_is_dead_with_a_reason(settings):
    settings.NEURAL = {"unknown_work_seconds": 0}
    submit("gone")
    TaskRun.objects.update(handler="somewhere.else")

    neural.run_due()

    run = TaskRun.objects.get()
    assert run.state == RunState.DEAD
    assert "no installed app registers the handler" in run.error


def test_an_event_whose_payload_was_pruned_is_dead_with_a_reason():
    event = submit("old")
    type(event).objects.update(payload=None, pruned_at=timezone.now())

    neural.run_due()

    assert TaskRun.objects.get().state == RunState.DEAD
    assert "pruned" in TaskRun.objects.get().error


def test_events_that_a_handler_submits_run_in_the_same_call(monkeypatch):
    def act(data, **_):
        if data.key == "first":
            submit("second")
        Effect.objects.create(key=data.key)

    monkeypatch.setattr("tests.probe.neural_handlers.act", act)
    submit("first")

    assert len(neural.run_due()) == 2
    assert Effect.counts() == {"first": 1, "second": 1}
