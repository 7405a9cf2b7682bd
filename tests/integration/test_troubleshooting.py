"""Each trouble of docs/how-to/troubleshooting.md, caused for real: `doctor` finds it, and what its
remedy says mends it."""

import datetime as dt

import pytest
from celery import Celery
from django.utils import timezone

import neural
from neural.models import AttemptOutcome, NeuralEvent, RunState, TaskAttempt, TaskRun, WorkerProcess
from tests.integration.cluster import client, expect_once, wait_for_runs
from tests.integration.doctoring import Doctor
from tests.integration.rabbitmq import RabbitMQ
from tests.integration.submitting import names, request, submit
from tests.watching import wait_until

pytestmark = pytest.mark.integration

ALL_QUEUES = "manage.py worker --queues high_priority,default,low_priority"


@pytest.fixture
def doctor(cluster) -> Doctor:
    return Doctor(cluster)


@pytest.fixture
def redis(cluster):
    """A client of the broker, where it is Redis or Valkey."""
    if isinstance(cluster.broker, RabbitMQ):
        pytest.skip("of Redis alone")
    with client(cluster.broker) as connection:
        yield connection


# Tasks do not run


def test_no_worker_runs(cluster, doctor):
    submit("waits")

    remedy = doctor.finds("workers", "problem", "no worker is alive", "default (1 due run)")

    with doctor.type_and_leave(ALL_QUEUES, remedy):
        wait_for_runs()
        assert doctor.is_content_with("workers", "backlog")
    expect_once(["waits"])


def test_no_worker_reads_the_queue(cluster, doctor):
    cluster.worker(queues="high_priority", concurrency=1)
    submit("waits")

    remedy = doctor.finds("workers", "problem", "nobody reads default (1 due run), low_priority")

    with doctor.type_and_leave("manage.py worker --queues default,low_priority", remedy):
        wait_for_runs()
        assert doctor.is_content_with("workers")


@pytest.mark.faults
def test_a_worker_was_killed_and_nothing_starts_it_again(cluster):
    doctor = Doctor(cluster, worker_lost_seconds=3)
    cluster.worker().kill()
    submit("waits")
    wait_until(lambda: not doctor.is_content_with("workers"), 150)

    remedy = doctor.finds("workers", "problem", "no worker is alive")

    with doctor.type_and_leave(ALL_QUEUES, remedy):
        wait_for_runs()


def test_a_message_was_sent_to_a_queue_whose_name_is_mistyped(cluster, doctor, redis):
    cluster.worker(concurrency=1)
    event = {"event_id": "1", "event_type": "probe.counted", "event_source": "till"}
    arguments = {**event, "store_id": "S1", "data": {"key": "sent"}}
    with Celery(broker=cluster.broker.url, set_as_current=False) as plain:
        send = {"kwargs": arguments, "ignore_result": True}
        plain.send_task("neural.tasks.process_neural_event", queue="hihg_priority", **send)

        remedy = doctor.finds("messages", "problem", "hihg_priority (1)")

    with doctor.type_and_leave("manage.py worker --queues hihg_priority", remedy):
        wait_until(TaskRun.objects.exists)
        wait_for_runs()
    assert set(TaskRun.objects.values_list("queue", flat=True)) == {"default"}
    assert doctor.is_content_with("messages")
    expect_once(["sent"])


def test_a_run_names_a_handler_that_is_not_deployed(cluster, doctor):
    submit("gone")
    TaskRun.objects.update(handler="probe.of_tomorrow")
    worker = cluster.worker(concurrency=1, unknown_work_seconds=0)
    wait_for_runs(state=RunState.DEAD)

    remedy = doctor.finds("unregistered", "problem", "handler probe.of_tomorrow (1 run)")

    worker.stop()
    doctor.type("manage.py retry_runs --handler probe.of_tomorrow", remedy)
    TaskRun.objects.update(handler="probe.count")  # as if the handler came with a deployment
    cluster.worker(concurrency=1)
    wait_for_runs()
    assert doctor.is_content_with("unregistered")


# Tasks fail


def test_a_task_fails_until_it_is_dead(cluster, doctor):
    cluster.worker(concurrency=1)
    submit("bad", permanent=True)
    wait_for_runs(state=RunState.DEAD)

    remedy = doctor.finds("dead letters", "warning", "1 run died", "NeverAgain: there is no use")

    shown = doctor.type("manage.py retry_runs --dry-run", remedy)
    assert "probe.count: NeverAgain" in shown
    mend()
    doctor.type("manage.py retry_runs --since 1d", remedy)
    wait_for_runs()
    assert doctor.is_content_with("dead letters")
    expect_once(["bad"])


def mend() -> None:
    """The cause is removed."""
    for event in NeuralEvent.objects.all():
        event.payload |= {"permanent": False}
        NeuralEvent.objects.filter(pk=event.pk).update(payload=event.payload)


def test_many_tasks_fail_and_wait_for_their_retry(cluster, doctor):
    cluster.worker(retry_base_seconds=600, retry_cap_seconds=600)
    keys = names("bad", 12)
    for key in keys:
        submit(key, fail_times=1)
    failed = TaskAttempt.objects.filter(outcome=AttemptOutcome.FAILED)
    wait_until(lambda: failed.count() == len(keys), 150)

    remedy = doctor.finds(
        "failures", "warning", "12 attempts failed", "12 of probe.count", "Failing: failure 1 of 1"
    )

    assert "Retries come by themselves" in remedy
    for run in TaskRun.objects.all():
        run.hurry()  # 'Retry now' in the admin, once it is mended
    wait_for_runs()


# Tasks pile up


def test_urgent_tasks_pile_up_behind_a_slow_one(cluster, doctor):
    cluster.worker(concurrency=1)
    slow = request("slow", kind="probe.two_step", gate="open")
    neural.submit(**slow, queue="high_priority").or_raise()
    cluster.wait_for_start("slow")
    keys = names("urgent", 5)
    for key in keys:
        submit(key, kind="probe.urgent")
    pretend(TaskRun.objects.filter(state=RunState.PENDING), "available_at", seconds=3 * 3600)

    remedy = doctor.finds("backlog", "problem", "high_priority: 5 due runs, the oldest for 3 h")

    command = "manage.py worker --name more --queues high_priority"
    with doctor.type_and_leave(command, remedy):
        wait_until(lambda: TaskRun.objects.filter(state=RunState.SUCCEEDED).count() == 5, 150)
        assert doctor.is_content_with("backlog")
        cluster.open_gate("open")
        wait_for_runs()
    expect_once(["slow", *keys])


def pretend(rows, column: str, *, seconds: float) -> None:
    """That it was so long ago."""
    rows.update(**{column: timezone.now() - dt.timedelta(seconds=seconds)})


def test_a_task_hangs_beyond_its_hard_limit(cluster, doctor):
    worker = cluster.worker(concurrency=1)
    submit("hung", kind="probe.two_step", gate="open")
    cluster.wait_for_start("hung")
    # Beyond the limit (300 s) and doctor's margin, short of when the relay would give it up.
    pretend(TaskRun.objects.all(), "started_at", seconds=370)

    remedy = doctor.finds("stuck runs", "problem", "1 run longer than 6 min", worker.row.name)

    assert "SIGTERM" in remedy
    worker.stop()
    assert doctor.is_content_with("stuck runs")
    cluster.open_gate("open")
    cluster.worker(concurrency=1, republish_lease_seconds=1)
    wait_for_runs()
    expect_once(["hung"])


@pytest.mark.faults
def test_runs_of_a_worker_that_is_gone_stay_behind_where_no_relay_lives(cluster):
    doctor = Doctor(cluster, worker_lost_seconds=3)
    worker = cluster.worker(concurrency=1)
    submit("held", kind="probe.two_step", gate="open")
    cluster.wait_for_start("held")
    worker.kill()
    pretend(WorkerProcess.objects.all(), "heartbeat_at", seconds=600)

    remedy = doctor.finds("lost runs", "problem", "1 run held by w1@", "which is gone")

    doctor.type("manage.py relay --once", remedy)
    assert doctor.is_content_with("lost runs")
    cluster.open_gate("open")
    cluster.worker(concurrency=1)
    wait_for_runs()


# Redis cannot be reached


@pytest.mark.faults
def test_the_broker_is_stopped(cluster, doctor):
    cluster.worker(concurrency=1, republish_seconds=1, republish_lease_seconds=1)
    cluster.broker.stop()
    submit("meanwhile")

    remedy = doctor.finds("broker", "problem", "does not answer", "nothing is lost")

    assert "systemctl start redis-server" in remedy
    cluster.broker.start()
    assert doctor.is_content_with("broker")
    pretend(TaskRun.objects.all(), "publish_at", seconds=1)
    wait_for_runs()
    expect_once(["meanwhile"])


@pytest.mark.faults
def test_the_broker_stands_still(cluster, doctor):
    hurried = Doctor(cluster, publish_timeout_seconds=0.5)
    cluster.broker.freeze()
    try:
        hurried.finds("broker", "problem", "does not answer", "nothing is lost")
    finally:
        cluster.broker.thaw()
    assert doctor.is_content_with("broker")


@pytest.mark.faults
def test_the_broker_wants_a_password(cluster, doctor, redis):
    redis.config_set("requirepass", "a secret")
    try:
        remedy = doctor.finds("broker", "problem", "name and password", "nothing is lost")
    finally:
        redis.execute_command("AUTH", "a secret")
        redis.config_set("requirepass", "")

    assert "correct address and password in CELERY_BROKER_URL" in remedy
    assert doctor.is_content_with("broker")


@pytest.mark.faults
def test_the_broker_is_full(cluster, doctor, redis):
    redis.config_set("maxmemory", "1kb")
    submit("meanwhile")

    remedy = doctor.finds("broker", "problem", "memory is full", "nothing is lost")

    assert "CONFIG SET maxmemory" in remedy
    redis.config_set("maxmemory", "0")
    assert doctor.is_content_with("broker")
    cluster.worker(concurrency=1)
    pretend(TaskRun.objects.all(), "publish_at", seconds=1)
    wait_for_runs()
    expect_once(["meanwhile"])
