"""Workers, relays and plain Celery clients beside each other."""

import pytest
from celery import Celery
from kombu import Exchange, Queue

from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun, WorkerProcess
from tests.integration.cluster import PATIENT, client, expect_once, wait_for_runs, within
from tests.integration.submitting import names, submit, submit_together
from tests.probe.models import Effect
from tests.watching import wait_until

pytestmark = pytest.mark.integration

QUICK = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 3}


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["counted", "two_step"])
def test_a_worker_thought_dead_that_wakes_up_changes_nothing(cluster, kind):
    """Fencing: its run was done by another meanwhile."""
    if kind == "counted" and _sqlite():
        pytest.skip("on SQLite a frozen transaction holds the only write lock: nobody can go on")
    sleeper = cluster.worker(concurrency=1, **QUICK)
    submit("shared", kind=f"probe.{kind}", gate_before="open")
    cluster.wait_for_start("shared")

    sleeper.freeze()
    cluster.worker(concurrency=1, **QUICK)
    cluster.wait_for_start("shared", times=2)
    cluster.open_gate("open")
    wait_for_runs()
    before = TaskRun.objects.values().get()
    sleeper.thaw()

    wait_until(lambda: "event=run_fenced" in sleeper.text, 30)
    assert TaskRun.objects.values().get() == before
    assert Effect.counts() == {"shared": 1}
    assert before["losses"] == 1
    assert sleeper.is_running
    submit("later")  # and it is a good worker again
    wait_until(lambda: sleeper.row.lost_at is None, 30)
    wait_for_runs()


def _sqlite() -> bool:
    from django.db import connection

    return connection.vendor == "sqlite"


def test_two_relays_side_by_side_publish_each_run_once(cluster, patient):
    cluster.worker(queues="high_priority", concurrency=1, **PATIENT)
    cluster.worker(queues="high_priority", concurrency=1, **PATIENT)
    for key in names("two_step", 40):
        submit(key, kind="probe.two_step")
    with client(cluster.broker) as connection:
        connection.delete("default")

    TaskRun.objects.update(publish_at="2000-01-01T00:00:00Z")

    wait_until(lambda: cluster.message_count() >= 40, 60)
    assert not within(2, lambda: cluster.message_count() > 40)


def test_a_graceful_stop_releases_runs_and_counts_nothing(cluster):
    worker = cluster.worker(concurrency=2)
    submit("held1", kind="probe.two_step", gate="open")
    submit("held2", kind="probe.two_step", gate="open")
    cluster.wait_for_start("held1")
    cluster.wait_for_start("held2")

    code = worker.stop()

    assert code == 0
    assert worker.row.stopped_at
    assert set(TaskRun.objects.values_list("state", "losses", "failures")) == {("pending", 0, 0)}
    assert set(TaskAttempt.objects.values_list("outcome", flat=True)) == {AttemptOutcome.RELEASED}
    cluster.open_gate("open")
    cluster.worker()
    wait_for_runs()
    expect_once(["held1", "held2"])


def test_a_graceful_stop_lets_a_short_run_end(cluster):
    worker = cluster.worker(concurrency=1, environment={"PROBE_SOFT_SHUTDOWN": "10"})
    submit("short", kind="probe.two_step", seconds=1)
    cluster.wait_for_start("short")

    worker.stop()

    assert TaskRun.objects.get().state == RunState.SUCCEEDED
    expect_once(["short"])


@pytest.mark.faults
def test_a_worker_that_stops_while_others_go_on_doubles_nothing(cluster):
    first = cluster.worker(concurrency=2)
    keys = names("stop", 300)
    submit_together(keys, seconds=0.005)
    cluster.worker(concurrency=2)
    wait_until(lambda: Effect.objects.count() > 10, 60)

    first.stop()

    wait_for_runs()
    expect_once(keys)
    assert set(TaskRun.objects.values_list("losses", flat=True)) == {0}


def test_messages_of_a_plain_celery_client_are_recorded_and_run_once(cluster):
    """It knows a name and a queue, and nothing of this code."""
    plain = Celery(broker=cluster.broker.url, set_as_current=False)
    plain.conf.task_queues = [Queue("default", Exchange("default"), routing_key="default")]
    for number in range(5):
        event = {"event_id": f"plain{number}", "event_type": "probe.counted"}
        event |= {"event_source": "till", "store_id": "S9", "data": {"key": f"plain{number}"}}
        plain.send_task("neural.tasks.process_neural_event", kwargs=event, queue="default")
    counted = plain.send_task("probe.count", kwargs={"key": "task"}, queue="default")
    plain.close()

    cluster.worker()

    wait_until(lambda: TaskRun.objects.filter(state="succeeded").count() == 11, 150)
    expect_once([*(f"plain{number}" for number in range(5)), "task"])
    run = TaskRun.objects.get(task_id=counted.id)
    assert run.requested_by == "celery message"


def test_retries_come_by_the_relay_with_beat_not_running(cluster):
    cluster.worker()

    submit("flaky", fail_times=2)
    submit("sound")

    wait_for_runs()
    expect_once(["flaky", "sound"])
    flaky = TaskRun.objects.get(event__event_id="flaky")
    assert (flaky.failures, flaky.losses) == (2, 0)
    errors = list(flaky.attempts.values_list("outcome", "error"))
    assert errors == [
        ("failed", "Failing: failure 1 of 2"),
        ("failed", "Failing: failure 2 of 2"),
    ]
    assert "acting.py" in flaky.attempts.first().traceback


def test_an_async_handler_and_an_async_task_run_to_their_end(cluster):
    from tests.probe.tasks import count_async

    cluster.worker()

    submit("event", kind="probe.async", fail_times=1)
    count_async.apply_async(kwargs={"key": "task"})

    wait_for_runs()
    expect_once(["event", "task"])
    results = set(TaskRun.objects.values_list("result", flat=True))
    assert results == {"async done"}


def test_beyond_the_soft_limit_an_attempt_has_failed(cluster):
    from tests.probe.tasks import too_slow

    worker = cluster.worker(concurrency=1, max_retries=1, retry_base_seconds=0.1)

    too_slow.apply_async(kwargs={"key": "slow", "seconds": 20})
    submit("sound")

    wait_for_runs(task="probe.too_slow", state=RunState.DEAD)
    wait_for_runs(task="neural.tasks.process_neural_event")
    slow = TaskRun.objects.get(task="probe.too_slow")
    assert (slow.failures, slow.losses) == (2, 0)
    assert "SoftTimeLimitExceeded" in slow.error
    expect_once(["sound"])
    assert worker.is_running


def test_urgent_events_pass_a_backlog_of_low_ones(cluster):
    """Ten urgent ones are done while most of the backlog, of a minute, still waits."""
    submit_together(names("low", 1200), kind="probe.low", seconds=0.05)
    cluster.worker(concurrency=1)
    wait_until(lambda: Effect.objects.count() > 5, 60)

    urgent = names("urgent", 10)
    for key in urgent:
        submit(key, kind="probe.urgent")

    wait_for_runs(queue="high_priority")
    assert TaskRun.objects.filter(queue="low_priority", state="pending").count() > 100


def test_work_batched_but_not_begun_is_not_left_waiting(cluster, settings):
    """One message brings a worker to fifty runs; what does not fit its time gets another
    message."""
    by_no_relay = {**PATIENT, "republish_seconds": 600}
    settings.NEURAL = {**settings.NEURAL, **by_no_relay}
    cluster.worker(concurrency=1, **by_no_relay)
    keys = names("along", 30)
    submit_together(keys, seconds=0.03)

    wait_for_runs()
    expect_once(keys)


def test_a_thread_pool_works_too(cluster):
    worker = cluster.worker(pool="threads", concurrency=2)
    keys = names("thread", 60)
    submit_together(keys)
    submit("flaky", fail_times=1)

    wait_for_runs()
    expect_once([*keys, "flaky"])
    assert worker.stop() == 0
    assert WorkerProcess.objects.get().stopped_at


def test_a_run_for_a_queue_that_does_not_exist_bothers_no_other(cluster):
    worker = cluster.worker(republish_lease_seconds=0.3, **PATIENT)
    TaskRun.objects.create(task_id="lost", task="probe.count", queue="no_such")
    wait_until(lambda: "event=queue_unknown queue=no_such" in worker.text, 30)
    for key in names("other", 10):
        submit(key)

    wait_for_runs(queue="default")
    expect_once(names("other", 10))
    assert "event=broker_lost" not in worker.text
