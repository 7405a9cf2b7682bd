"""The broker stopped, wiped, frozen: submitting goes on, workers live, everything runs."""

import pytest

from neural.broker.publisher import publisher
from neural.models import TaskRun
from tests.integration.cluster import client, expect_once, took, wait_for_runs, within
from tests.integration.rabbitmq import RabbitMQ
from tests.integration.submitting import names, submit, submit_together
from tests.probe import tasks
from tests.probe.models import Effect
from tests.watching import wait_until

pytestmark = pytest.mark.integration

QUICK = {"republish_seconds": 1, "republish_lease_seconds": 2}


@pytest.fixture
def quick(settings):
    """What this process submits is published again soon."""
    settings.NEURAL = {**settings.NEURAL, **QUICK}


@pytest.mark.faults
def test_a_wiped_broker_loses_nothing(cluster, quick, patient):
    keys = names("backlog", 120)
    for key in keys[:20]:
        submit(key)
    submit_together(keys[20:])
    assert cluster.message_count() > 20

    cluster.broker.wipe()
    assert cluster.message_count() == 0
    cluster.worker(**QUICK)

    wait_for_runs()
    expect_once(keys)


def test_a_broker_wiped_under_a_working_worker_loses_nothing(cluster, quick):
    worker = cluster.worker(**QUICK)
    keys = names("live", 150)

    for number, key in enumerate(keys):
        submit(key)
        if number in (40, 90):
            cluster.broker.wipe()

    wait_for_runs()
    expect_once(keys)
    assert worker.is_running


def test_submitting_goes_on_while_the_broker_is_away_and_all_runs_when_it_is_back(
    cluster, quick, caplog
):
    worker = cluster.worker(**QUICK)
    submit("before")
    wait_for_runs()
    forget_losses(caplog)

    cluster.broker.stop()
    away = names("away", 60)
    for key in away:
        submit(key)
    assert publisher().breaker_is_open
    assert losses_of_the_broker(caplog) == 1  # one failure, not sixty
    assert TaskRun.objects.filter(state="pending").count() == 60
    cluster.broker.start()

    submit("after")
    wait_for_runs()
    expect_once(["before", *away, "after"])
    assert worker.is_running
    assert set(TaskRun.objects.values_list("losses", "failures")) == {(0, 0)}


def forget_losses(caplog) -> None:
    """On a busy machine the broker may have answered too late before."""
    wait_until(lambda: not publisher().breaker_is_open, 60)
    caplog.clear()


def losses_of_the_broker(caplog) -> int:
    """How often this process met a broker that did not answer."""
    return sum("event=broker_lost" in each.getMessage() for each in caplog.records)


def all_succeeded() -> bool:
    return not TaskRun.objects.exclude(state="succeeded").exists()


def stop_the_broker_a_few_times(cluster, worker, times: int) -> None:
    """Late acknowledgements of a worker that has room for more meet a broker that is gone."""
    for number in range(times):
        for key in names(f"load{number}-", 3):
            submit(key, kind="probe.two_step", seconds=0.3)
        wait_until(lambda n=number: cluster.starts(f"load{n}-0000"), 60)
        cluster.broker.kill()
        within(30, lambda: not worker.is_running or not TaskRun.objects.running().exists())
        within(2, lambda: not worker.is_running)  # what has ended is acknowledged now
        cluster.broker.start()
        within(60, lambda: not worker.is_running or all_succeeded())
        if not worker.is_running:
            return


UNSATURATED = {"PROBE_PREFETCH": "4"}


@pytest.mark.faults
def test_a_worker_outlives_a_broker_that_goes_away_under_load(cluster, quick):
    worker = cluster.worker(neighbourly=True, environment=UNSATURATED, **QUICK)

    stop_the_broker_a_few_times(cluster, worker, times=2)

    assert worker.is_running
    wait_for_runs()
    expect_once([key for number in range(2) for key in names(f"load{number}-", 3)])


@pytest.mark.faults
def test_without_the_patch_that_worker_ends(cluster, quick):
    """Should this fail, Celery has mended it: that of `neural/broker/redis.py` can go."""
    if isinstance(cluster.broker, RabbitMQ):
        pytest.skip("the patch is for Redis")
    environment = {**UNSATURATED, "PROBE_WITHOUT_PATCH": "1"}
    worker = cluster.worker(neighbourly=True, environment=environment, **QUICK)

    stop_the_broker_a_few_times(cluster, worker, times=5)

    assert within(10, lambda: not worker.is_running)
    assert "'NoneType' object has no attribute 'hostname'" in worker.text


@pytest.mark.faults
def test_a_worker_that_stops_ends_although_the_broker_goes_away_meanwhile(cluster):
    worker = cluster.worker(environment={"PROBE_SOFT_SHUTDOWN": "6"})
    tasks.count_in_two_steps.delay(key="long", gate="never opened")
    cluster.wait_for_start("long")

    worker.process.terminate()
    wait_until(lambda: "Soft Shutdown" in worker.text, 60)
    cluster.broker.kill()

    assert worker.process.wait(90) == 0
    run = TaskRun.objects.get()
    assert (run.state, run.losses) == ("pending", 0)


@pytest.mark.faults
def test_a_frozen_broker_costs_a_submitter_about_a_second_once(cluster, quick, caplog):
    worker = cluster.worker(**QUICK)
    submit("before")
    wait_for_runs()
    forget_losses(caplog)

    cluster.broker.freeze()
    with took() as first:
        submit("first")
    for key in names("rest", 20):
        submit(key)
    cluster.broker.thaw()

    assert first() < 10  # about one second; more only on a busy machine
    assert losses_of_the_broker(caplog) == 1
    wait_until(lambda: not publisher().breaker_is_open, 60)
    submit("after")
    wait_for_runs()
    expect_once(["before", "first", *names("rest", 20), "after"])
    assert worker.is_running


@pytest.mark.faults
def test_a_worker_and_its_relay_outlive_a_long_freeze(cluster, quick):
    worker = cluster.worker(heartbeat_seconds=0.3, **QUICK)
    submit("before")
    wait_for_runs()

    cluster.broker.freeze()
    submit("during")
    beat = worker.row.heartbeat_at
    within(8, lambda: not worker.is_running)  # longer than the consumer's socket timeout
    assert worker.row.heartbeat_at > beat
    cluster.broker.thaw()

    wait_for_runs()
    expect_once(["before", "during"])
    assert worker.is_running


def test_a_message_lost_before_a_worker_read_it_is_sent_again(cluster, quick, patient):
    submit("lost")
    with client(cluster.broker) as connection:
        assert connection.delete("default") == 1

    cluster.worker(**QUICK)

    wait_for_runs()
    expect_once(["lost"])


def test_the_relay_does_not_flood_a_long_queue(cluster, quick, patient):
    """With nobody reading the queue, everything is unpublished again and again."""
    keys = names("many", 300)
    limits = {**QUICK, "queue_depth_limit": 40, "republish_lease_seconds": 0.3}
    for key in keys[:30]:
        submit(key)
    submit_together(keys[30:])
    cluster.worker(queues="high_priority", **limits)
    TaskRun.objects.update(publish_at="2000-01-01T00:00:00Z")

    def flooded():
        return cluster.message_count() > 40 + 1 + 300 // 50

    assert not within(4, flooded)
    assert cluster.message_count() >= 30

    cluster.worker(queues="default", concurrency=1, **limits)
    wait_for_runs()
    assert dict(Effect.counts()) == dict.fromkeys(keys, 1)
