"""`neural.testing`: what tests of other projects look at, run and move."""

import datetime as dt
import subprocess
import sys
import unittest
from decimal import Decimal

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

import neural
from neural import testing
from neural.ledger.clock import database_clock
from neural.models import RunState, TaskRun
from neural.pytest_plugin import neural_clock, neural_inline  # noqa: F401  (fixtures)
from tests.probe.acting import Failing
from tests.probe.models import Effect
from tests.probe.neural_handlers import count
from tests.probe.tasks import count as count_task

pytestmark = pytest.mark.django_db
START = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)


def submit(key, kind="probe.counted", store="S1", **payload):
    return neural.submit(
        type=kind, store=store, source="test", event_id=key, payload={"key": key, **payload}
    ).or_raise()


# What was submitted, what is due


def test_events_are_those_of_a_type_and_store_in_order():
    for key, store in (("a", "S1"), ("b", "S2"), ("c", "S1")):
        submit(key, store=store)
    submit("d", kind="probe.low")

    assert [each.event_id for each in testing.events()] == ["a", "b", "c", "d"]
    assert [each.event_id for each in testing.events("probe.counted", store="S1")] == ["a", "c"]


def test_an_event_is_asserted_by_the_fields_that_matter():
    submit("a", amount=Decimal("1.50"), at=START)
    submit("b", store="S2")

    found = testing.assert_submitted("probe.counted", payload={"amount": Decimal("1.50")})

    assert found.event_id == "a"
    assert testing.assert_submitted("probe.counted", store="S2").event_id == "b"


@pytest.mark.parametrize("wanted", [{"store": "S3"}, {"payload": {"key": "z"}}, {}])
def test_what_was_not_submitted_once_fails_with_what_was(wanted):
    submit("a")
    submit("b")

    with pytest.raises(AssertionError, match=r"not one; submitted: \n  probe.counted of S1: \{.*a"):
        testing.assert_submitted("probe.counted", **wanted)


def test_runs_that_are_due_are_asserted_by_function_task_or_name():
    submit("a")
    submit("b")
    count_task.delay(key="c")
    count_task.apply_async(kwargs={"key": "d"}, countdown=60)

    assert len(testing.assert_due(count)) == 2
    assert testing.assert_due("probe.count", count=3)  # the handler and the task have one name
    assert [run.kwargs for run in testing.assert_due(count_task)] == [{"key": "c"}]
    with pytest.raises(AssertionError, match=r"2 runs of probe\.count are due, not 1"):
        testing.assert_due(count, count=1)
    with pytest.raises(AssertionError, match=r"0 runs of probe\.left are due, not any"):
        testing.assert_due("probe.left")


# Running it


def test_what_a_handler_raised_is_raised_when_all_is_settled():
    submit("bad", fail_times=1)
    submit("good")

    with pytest.raises(Failing):
        testing.run_due()

    assert Effect.counts() == {"good": 1}
    assert TaskRun.objects.get(state=RunState.PENDING).failures == 1
    assert testing.run_due() == []


def test_several_errors_are_raised_as_a_group():
    submit("a", fail_times=1)
    submit("b", fail_times=1)

    with pytest.raises(BaseExceptionGroup, match="2 of 2 runs failed"):
        testing.run_due()


@pytest.mark.usefixtures("neural_inline")
def test_inline_work_runs_as_it_is_submitted_and_its_error_comes_out():
    submit("a")
    count_task.delay(key="task")

    assert Effect.counts() == {"a": 1, "task": 1}
    with pytest.raises(Failing):
        submit("bad", fail_times=1)
    submit("later")
    assert Effect.counts()["later"] == 1


def test_inline_what_a_handler_submits_runs_after_it(monkeypatch):
    def act(data, **_):
        if data.key == "first":
            submit("second")
            assert not Effect.objects.exists()
        Effect.objects.create(key=data.key)

    monkeypatch.setattr("tests.probe.neural_handlers.act", act)
    with testing.inline():
        submit("first")

    assert Effect.counts() == {"first": 1, "second": 1}


# The clock


def test_time_stands_still_until_it_is_moved():
    with testing.clock(START) as clock:
        assert timezone.now() == clock.now
        assert abs(database_clock() - clock.now) < MILLISECOND
        clock.move(hours=1)
        assert timezone.now() - START >= dt.timedelta(hours=1)
        assert abs(database_clock() - clock.now) < MILLISECOND

    assert timezone.now() - database_clock() < dt.timedelta(minutes=1)
    assert timezone.now() != clock.now


def test_a_retry_is_due_exactly_when_its_policy_says():
    with testing.clock(START) as clock:
        submit("policy", kind="probe.policy", fail_times=1)  # it waits 7 s
        with pytest.raises(Failing):
            testing.run_due()
        clock.move(seconds=6)
        assert testing.run_due() == []
        clock.move(seconds=1)
        assert [each.succeeded for each in testing.run_due()] == [True]


def test_the_clock_moves_to_the_next_run_that_is_due(neural_clock):  # noqa: F811
    before = neural_clock.now
    submit("flaky", fail_times=1)
    with pytest.raises(Failing):
        testing.run_due()

    neural_clock.move_to_next()

    due_at = TaskRun.objects.get().available_at
    assert before < due_at <= neural_clock.now < due_at + 2 * MILLISECOND
    assert testing.run_due()[0].succeeded
    with pytest.raises(AssertionError, match="no run is due later"):
        neural_clock.move_to_next()


@pytest.mark.parametrize("microsecond", [0, 1, 2, 123_499, 123_678, 999_999])
def test_what_is_submitted_is_due_at_once_whatever_the_fraction_of_the_second(microsecond):
    with testing.clock(START.replace(microsecond=microsecond)) as clock:
        submit("flaky", fail_times=1)
        with pytest.raises(Failing):
            testing.run_due()
        clock.move_to_next()

        assert [each.succeeded for each in testing.run_due()] == [True]


def test_a_countdown_begins_at_the_clocks_time():
    with testing.clock(START) as clock:
        clock.move(days=400)
        count_task.apply_async(kwargs={"key": "k"}, countdown=60)
        assert testing.run_due() == []
        clock.move(seconds=61)
        testing.run_due()

    assert TaskRun.objects.get().state == RunState.SUCCEEDED


def test_schedules_that_came_due_are_recorded_and_run():
    PeriodicTask.objects.all().delete()
    with testing.clock(START) as clock:
        every = IntervalSchedule.objects.create(every=1, period="hours")
        PeriodicTask.objects.create(
            name="hourly", task="probe.count", kwargs='{"key": "k"}', interval=every
        )
        PeriodicTask.objects.create(name="plain", task="celery.accumulate", interval=every)
        clock.move(minutes=59)
        testing.record_schedules("hourly", "plain")
        assert testing.run_due() == []
        clock.move(minutes=2)
        testing.record_schedules("hourly", "plain")
        testing.run_due()

    assert Effect.counts() == {"k": 1}


class UnittestCase(unittest.TestCase):
    def test_unittest_enters_the_same_contexts(self):
        clock = self.enterContext(testing.clock(START))

        assert timezone.now() == clock.now


def test_the_plugin_imports_no_django():
    check = "import sys, neural.pytest_plugin; sys.exit('django' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
