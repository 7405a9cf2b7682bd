"""How a task or handler that failed is tried again: the schedule, and Celery's ways to ask."""

import datetime as dt

import pytest
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from django.utils import timezone

import neural
from neural.celeryapp.task import policy_of
from neural.kit.errors import PermanentError
from neural.ledger import retry
from neural.models import AttemptOutcome, RunState, TaskRun
from tests.probe import canvas, tasks
from tests.probe.acting import Failing
from tests.probe.models import Effect
from tests.unit.celeryapp.canvas import ledger_task, run_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def dice(monkeypatch):
    """Set to 0 the shortest delays are thrown, set to 1 the longest."""

    class Dice:
        share = 1.0

        def random(self):
            return self.share

    dice = Dice()
    monkeypatch.setattr(retry.random, "random", dice.random)
    return dice


def delays():
    """Seconds from the end of each failed attempt to when the next was due, with a fake clock:
    each attempt is made as if its time had come."""
    outcomes = neural.run_due(now=timezone.now() + dt.timedelta(days=1))
    waits = [each.due_at - each.finished_at for each in outcomes if each.due_at]
    return [wait.total_seconds() for wait in waits]


def failing(task, *args, **options):
    task.apply_async(args, **options)
    return delays()


def always():
    raise Failing("always")


def the_run():
    return TaskRun.objects.get()


# The schedule


@pytest.mark.parametrize(("share", "expected"), [(1.0, [60, 120, 240]), (0.0, [30, 60, 120])])
@pytest.mark.parametrize("what", ["handler", "task", "async task"])
def test_three_retries_wait_60_120_and_240_seconds_half_of_it_by_chance(
    fake_broker, dice, share, expected, what
):
    dice.share = share
    order = {"key": "k", "fail_times": 99}
    if what == "handler":
        neural.submit(type="probe.counted", store="S1", source="s", event_id="1", payload=order)
    elif what == "task":
        tasks.count.delay(**order)
    else:
        canvas.retry_async.delay("k")
        expected = expected[:2]  # this one succeeds at its third attempt

    assert delays() == expected
    assert the_run().state == (RunState.SUCCEEDED if what == "async task" else RunState.DEAD)


def test_with_more_retries_no_wait_is_longer_than_600_seconds(fake_broker, dice, settings):
    settings.NEURAL = {"max_retries": 7}
    with ledger_task(always) as task:
        assert failing(task) == [60, 120, 240, 480, 600, 600, 600]


def test_the_row_says_when_the_next_attempt_is_due_and_why_the_last_one_failed(fake_broker, dice):
    tasks.count.delay(key="k", fail_times=1)
    (outcome,) = neural.run_due()

    run = the_run()
    assert (run.state, run.failures) == (RunState.PENDING, 1)
    assert abs((run.available_at - outcome.due_at).total_seconds()) < 0.01
    assert run.error == "Failing: failure 1 of 1"


# self.retry


def test_self_retry_without_a_time_waits_as_the_schedule_says(fake_broker, dice):
    def body(self):
        raise self.retry(exc=Failing("not yet"))

    with ledger_task(body, bind=True) as task:
        assert failing(task) == [60, 120, 240]
    assert the_run().error == "Failing: not yet"


def test_a_countdown_replaces_the_wait_and_has_no_jitter(fake_broker, dice):
    dice.share = 0

    def body(self):
        raise self.retry(countdown=7)

    with ledger_task(body, bind=True) as task:
        assert failing(task) == [7, 7, 7]


@pytest.mark.parametrize("zone", [dt.UTC, None])
def test_an_eta_replaces_the_wait(fake_broker, dice, zone):
    def body(self):
        eta = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        raise self.retry(eta=eta if zone else eta.replace(tzinfo=None))

    with ledger_task(body, bind=True) as task:
        assert all(3595 < seconds < 3605 for seconds in failing(task))


def test_max_retries_of_the_call_replaces_the_limit_and_none_means_the_usual_one(fake_broker, dice):
    def body(self, limit):
        raise self.retry(countdown=1, max_retries=limit)

    with ledger_task(body, bind=True) as task:
        assert [len(failing(task, limit)) for limit in (0, 1, 5, None)] == [0, 1, 5, 3]


def test_max_retries_none_on_the_task_is_without_limit(fake_broker, dice):
    def body(self):
        if self.request.retries < 12:
            raise self.retry(countdown=1)
        return self.request.retries

    with ledger_task(body, bind=True, max_retries=None) as task:
        assert len(failing(task)) == 12
    assert the_run().result == 12


def test_the_tasks_max_retries_holds_even_when_it_is_celerys_own_number(
    fake_broker, dice, settings
):
    settings.NEURAL = {"max_retries": 9}
    with ledger_task(always, max_retries=3) as task:
        assert len(failing(task)) == 3


def test_the_tasks_default_retry_delay_is_that_of_self_retry(fake_broker, dice):
    def body(self):
        raise self.retry()

    with ledger_task(body, bind=True, default_retry_delay=180) as task:
        assert failing(task) == [180, 180, 180]


def test_out_of_retries_it_has_failed_of_the_exception_that_it_gave(fake_broker, dice):
    def body(self):
        raise self.retry(exc=Failing("given"))

    with ledger_task(body, bind=True) as task:
        result = task.delay()
        run_all()

    with pytest.raises(Failing, match="given"):
        result.get(timeout=1)


def test_out_of_retries_without_an_exception_it_has_exceeded_them(fake_broker, dice):
    def body(self):
        try:
            raise Failing("deep")
        except Failing:
            raise self.retry()  # noqa: B904

    with ledger_task(body, bind=True) as task:
        result = task.delay()
        run_all()

    with pytest.raises(task.MaxRetriesExceededError, match=r"Can't retry test\.body"):
        result.get(timeout=1)
    assert "Failing: deep" in result.traceback
    assert the_run().attempts.first().error == "Failing: deep"


def test_a_permanent_error_is_tried_again_where_the_task_asks_for_it(fake_broker, dice):
    def body(self):
        raise self.retry(exc=PermanentError("never"))

    with ledger_task(body, bind=True) as task:
        assert len(failing(task)) == 3


def test_self_retry_outranks_what_autoretry_for_does_not_name(fake_broker, dice):
    def body(self):
        raise self.retry(exc=Failing("asked for"))

    with ledger_task(body, bind=True, autoretry_for=(KeyError,)) as task:
        assert len(failing(task)) == 3


def test_a_body_that_lets_celerys_retry_pass_lets_this_one_pass(fake_broker, dice):
    def body(self):
        try:
            raise self.retry(countdown=5)
        except Retry:
            raise
        except Exception:
            return "swallowed"

    with ledger_task(body, bind=True) as task:
        assert failing(task) == [5, 5, 5]


def test_the_request_counts_its_retries(fake_broker, dice):
    def body(self):
        if self.request.retries < 2:
            raise self.retry(countdown=1)
        return self.request.retries

    with ledger_task(body, bind=True) as task:
        failing(task)
    assert the_run().result == 2


def test_a_retry_may_name_the_arguments_that_the_run_has(fake_broker, dice):
    def body(self, day):
        raise self.retry(args=[day], kwargs={}, countdown=1)

    with ledger_task(body, bind=True) as task:
        assert len(failing(task, dt.date(2026, 3, 1))) == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"args": [2]}, "cannot change a run's arguments"),
        ({"queue": "low_priority"}, "does not know queue"),
    ],
)
def test_what_a_retry_cannot_do_is_refused_aloud_and_not_tried_again(
    fake_broker, dice, asked, said
):
    def body(self, value):
        raise self.retry(**asked)

    with ledger_task(body, bind=True) as task:
        assert failing(task, 1) == []
    assert the_run().state == RunState.DEAD
    assert said in the_run().error


def test_called_directly_a_retry_raises_as_in_celery():
    def body(self):
        raise self.retry(exc=Failing("direct"))

    with ledger_task(body, bind=True) as task, pytest.raises(Failing, match="direct"):
        task()


def test_a_task_that_calls_itself_directly_calls_its_function(fake_broker):
    result = canvas.call_itself.delay(3)
    run_all()

    assert result.get(timeout=1) == 3
    assert TaskRun.objects.count() == 1


# autoretry_for


def test_autoretry_for_tries_these_again_and_no_others(fake_broker, dice):
    def body(kind):
        raise {"value": ValueError, "key": KeyError, "index": IndexError}[kind]("x")

    with ledger_task(
        body, autoretry_for=(ValueError, LookupError), dont_autoretry_for=(KeyError,)
    ) as task:
        attempts = [len(failing(task, kind)) for kind in ("value", "index", "key")]
        assert attempts == [3, 3, 0]


def test_autoretry_without_backoff_waits_as_the_schedule_says(fake_broker, dice):
    with ledger_task(always, autoretry_for=(Exception,)) as task:
        assert failing(task) == [60, 120, 240]


def test_retry_kwargs_say_how_often_and_how_long(fake_broker, dice):
    options = {"autoretry_for": (Failing,), "retry_kwargs": {"max_retries": 5, "countdown": 4}}
    with ledger_task(always, **options) as task:
        assert failing(task) == [4, 4, 4, 4, 4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"retry_backoff": True}, [1, 2, 4]),
        ({"retry_backoff": 5}, [5, 10, 20]),
        ({"retry_backoff": 5, "retry_backoff_max": 8}, [5, 8, 8]),
        ({"retry_backoff": 5, "retry_jitter": False}, [5, 10, 20]),
    ],
)
def test_retry_backoff_is_celerys(fake_broker, dice, options, expected):
    with ledger_task(always, autoretry_for=(Failing,), **options) as task:
        assert failing(task) == expected


@pytest.mark.parametrize(("jitter", "expected"), [(True, [0, 0, 0]), (False, [5, 10, 20])])
def test_retry_jitter_takes_all_of_a_delay_as_in_celery(fake_broker, dice, jitter, expected):
    dice.share = 0
    options = {"autoretry_for": (Failing,), "retry_backoff": 5, "retry_jitter": jitter}
    with ledger_task(always, **options) as task:
        assert failing(task) == expected


def test_the_soft_time_limit_is_an_exception_that_autoretry_may_name():
    with ledger_task(always, autoretry_for=(Exception,)) as task:
        assert not policy_of(task).is_permanent(SoftTimeLimitExceeded())
    with ledger_task(always, autoretry_for=(Failing,)) as task:
        assert policy_of(task).is_permanent(SoftTimeLimitExceeded())


def test_autoretry_in_an_async_task(fake_broker, dice):
    async def body():
        raise Failing("always")

    with ledger_task(body, autoretry_for=(Failing,), retry_backoff=3) as task:
        assert failing(task) == [3, 6, 12]


def test_a_tasks_own_retry_policy_outranks_celerys_options(fake_broker, dice):
    policy = neural.RetryPolicy(max_retries=1, base_seconds=7, jitter=0)
    with ledger_task(always, retry_policy=policy, autoretry_for=(KeyError,)) as task:
        assert failing(task) == [7]


# Reject and Ignore


def test_reject_is_the_end_of_it_dead_for_people_to_see(fake_broker):
    def body():
        raise Reject("not wanted", requeue=False)

    with ledger_task(body) as task:
        assert failing(task) == []
    assert (the_run().state, the_run().failures) == (RunState.DEAD, 0)
    assert "not wanted" in the_run().error
    assert the_run().attempts.get().outcome == "failed"


def test_reject_with_requeue_is_due_again_and_counts_nothing(fake_broker):
    def body():
        if TaskRun.objects.get().attempts.count() < 5:
            raise Reject("later", requeue=True)
        return "done"

    with ledger_task(body) as task:
        failing(task)
    assert (the_run().state, the_run().failures) == (RunState.SUCCEEDED, 0)
    assert set(the_run().attempts.values_list("outcome", flat=True)) == {AttemptOutcome.RELEASED}


@pytest.mark.parametrize(("atomic", "left"), [(True, {}), (False, {"effect": 1})])
def test_ignore_ends_without_a_result_and_keeps_what_is_not_in_its_transaction(
    fake_broker, atomic, left
):
    def body():
        Effect.objects.create(key="effect")
        raise Ignore

    with ledger_task(body, atomic=atomic) as task:
        assert failing(task) == []
    assert the_run().state == RunState.DISCARDED
    assert the_run().result is None
    assert Effect.counts() == left
