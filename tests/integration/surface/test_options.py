"""Celery's options at work: each holds, also when the message that carried it was lost."""

import datetime as dt
import itertools

import pytest
from celery import current_app
from django.utils import timezone

from neural.models import RunState, TaskRun
from neural.tasks import process_neural_event
from tests.integration.cluster import wait_for_runs
from tests.integration.submitting import submit
from tests.probe import tasks
from tests.probe.canvas import add, deaf, hang, note, request_seen, retry_async
from tests.probe.models import Effect
from tests.watching import wait_until

pytestmark = pytest.mark.integration

brokers = pytest.mark.parametrize(
    "own_broker_server",
    ["own", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)],
    indirect=True,
)
lost_or_not = pytest.mark.parametrize("is_lost", [False, True], ids=["sent", "lost"])


@brokers
@lost_or_not
def test_what_a_call_says_reaches_the_body(surface, is_lost):
    asked = {"headers": {"trace": "t1"}, "time_limit": 90, "soft_time_limit": 80}
    asked |= {"task_id": "店" * 255, "stamped_headers": ["order"], "order": "17"}
    result = request_seen.apply_async(**asked)
    if is_lost:
        surface.lose_messages()

    surface.worker()

    seen = result.get(timeout=60)
    assert seen["id"] == "店" * 255
    assert (seen["headers"], seen["timelimit"]) == ({"trace": "t1"}, [90, 80])
    assert seen["stamps"] == {"order": "17"}


@lost_or_not
def test_the_calls_soft_limit_really_limits(surface, is_lost):
    result = hang.apply_async(("key", 60), soft_time_limit=1)
    if is_lost:
        surface.lose_messages()
    surface.worker()

    wait_for_runs(task_id=result.id, state=RunState.DEAD)

    run = TaskRun.objects.get()
    assert (run.failures, run.losses) == (1, 0)
    assert "SoftTimeLimitExceeded" in run.error
    assert not Effect.objects.exists()


@pytest.mark.faults
def test_the_calls_hard_limit_ends_the_process_and_is_a_lost_delivery(surface):
    worker = surface.worker(max_lost_deliveries=1)
    result = deaf.apply_async(("key", 60), time_limit=2)

    wait_for_runs(task_id=result.id, state=RunState.DEAD, seconds=40)

    assert TaskRun.objects.get().losses == 1
    assert add.delay(1, 1).get(timeout=60) == 2
    assert worker.is_running


def test_an_events_own_limit_does_not_limit_those_beside_it(surface):
    """They would be batched, and its limit would end them all."""
    data = {"event_type": "probe.counted", "event_source": "s", "store_id": "S1"}
    slow = {"event_id": "slow", "data": {"key": "slow", "seconds": 30}, **data}
    submit("before")
    process_neural_event.apply_async(kwargs=slow, soft_time_limit=1)
    submit("after")
    surface.worker(concurrency=1, max_retries=0)

    wait_for_runs(event__event_id__in=["before", "after"])
    wait_for_runs(event__event_id="slow", state=RunState.DEAD)
    assert Effect.counts() == {"before": 1, "after": 1}


@brokers
@lost_or_not
def test_what_expired_before_a_worker_came_is_cancelled(surface, is_lost):
    expired, wanted = add.apply_async((1, 1), expires=0.01), add.apply_async((1, 1), expires=600)
    if is_lost:
        surface.lose_messages()

    surface.worker()

    assert wanted.get(timeout=60) == 2
    wait_for_runs(task_id=expired.id, state=RunState.CANCELLED)
    assert "expired" in TaskRun.objects.get(task_id=expired.id).error


@brokers
@pytest.mark.parametrize("how", ["countdown", "eta"])
def test_nothing_starts_before_its_time_and_no_message_is_needed(surface, how):
    surface.worker()
    wait, slack = dt.timedelta(seconds=2), dt.timedelta(milliseconds=10)  # SQLite has milliseconds
    before = timezone.now()
    options = {"countdown": 2} if how == "countdown" else {"eta": before + wait}

    result = add.apply_async((1, 1), **options)
    after = timezone.now() if how == "countdown" else before

    assert result.get(timeout=60) == 2
    run = TaskRun.objects.get()
    assert run.started_at >= run.available_at
    assert before + wait - slack <= run.available_at <= after + wait + slack


def test_priority_orders_within_a_queue(surface):
    """Of events: a message brings its worker to the most urgent that is due."""
    data = {"event_type": "probe.counted", "event_source": "s", "store_id": "S1"}
    for number, priority in enumerate([1, 5, 9, 2]):
        key = f"p{priority}"
        event = {"event_id": str(number), "data": {"key": key}, **data}
        process_neural_event.apply_async(kwargs=event, priority=priority)
    surface.lose_messages()
    surface.worker(concurrency=1)

    wait_for_runs()

    started = list(Effect.objects.order_by("pk").values_list("key", flat=True))
    assert started[1:] == sorted(started[1:], reverse=True)


@brokers
def test_send_task_records_a_ledger_task_first(surface):
    result = current_app.send_task("probe.add", (1, 2), queue="low_priority")
    assert TaskRun.objects.get().queue == "low_priority"
    surface.lose_messages("low_priority")

    surface.worker()

    assert result.get(timeout=60) == 3


def test_a_name_that_nobody_registers_disturbs_no_worker(surface):
    """Like that of an app which is not deployed here: the message is kept as a dead letter."""
    surface.worker()
    current_app.send_task("shop.tasks.not_there", kwargs={"order": 17}, queue="default")

    wait_until(TaskRun.objects.dead().exists, 30)
    letter = TaskRun.objects.get()
    assert (letter.task, letter.kwargs) == ("shop.tasks.not_there", {"order": 17})
    assert add.delay(1, 1).get(timeout=60) == 2


# Retries, with seconds scaled down: 0.4, 0.8 and 1.6 instead of 60, 120 and 240


@brokers
def test_three_retries_come_each_later_than_the_one_before(surface):
    surface.worker(retry_base_seconds=0.4)
    handler = submit("handler", fail_times=3).runs.get()
    task = tasks.count.delay(key="task", fail_times=3)

    wait_for_runs()

    for run in (handler, TaskRun.objects.get(task_id=task.id)):
        run.refresh_from_db()
        ends = list(run.attempts.values_list("finished_at", flat=True))
        starts = [*run.attempts.values_list("started_at", flat=True)[1:], run.started_at]
        waits = [(start - end).total_seconds() for end, start in zip(ends, starts, strict=True)]
        assert len(waits) == 3
        assert all(wait >= least for wait, least in zip(waits, [0.2, 0.4, 0.8], strict=True))


def test_out_of_retries_a_run_is_dead_with_each_attempt_kept(surface):
    surface.worker(retry_base_seconds=0.1)
    result = tasks.count.apply_async(kwargs={"key": "k", "fail_times": 99})

    wait_for_runs(task_id=result.id, state=RunState.DEAD)

    errors = TaskRun.objects.get().attempts.values_list("error", flat=True)
    assert list(errors) == [f"Failing: failure {number} of 99" for number in (1, 2, 3, 4)]
    assert not Effect.objects.exists()


@brokers
def test_an_async_task_as_the_guide_writes_it_runs_and_retries(surface):
    surface.worker(retry_base_seconds=0.1)

    assert retry_async.delay("k").get(timeout=60) == 2


def test_a_retry_survives_the_loss_of_its_message(surface):
    worker = surface.worker(retry_base_seconds=20, retry_cap_seconds=20)  # ample time for a kill
    result = tasks.count.apply_async(
        kwargs={"key": "k", "fail_times": 1}, link=note.s("then"), time_limit=90
    )
    wait_for_runs(task_id=result.id, state=RunState.PENDING, failures=1)
    worker.kill()

    surface.worker()

    assert result.get(timeout=150) == "done"
    wait_for_runs(task="probe.note")
    assert Effect.counts() == {"k": 1, "then:done": 1}


def test_a_hundred_mixed_calls_all_end_and_none_twice(surface):
    """Under a worker that is killed in the middle, with all messages lost once."""
    worker = surface.worker()
    numbers = itertools.count()
    for _ in range(50):
        number = next(numbers)
        tasks.count.apply_async(kwargs={"key": f"k{number}"}, link=note.s(f"then{number}"))
    worker.kill()
    surface.worker(worker_lost_seconds=3, heartbeat_seconds=0.3)

    wait_for_runs(task="probe.count", seconds=120)
    wait_for_runs(task="probe.note", seconds=120)
    keys = [f"k{number}" for number in range(50)]
    assert Effect.counts() == dict.fromkeys([*keys, *(f"then{n}:done" for n in range(50))], 1)
