"""The broker stopped, wiped, frozen: submitting goes on, workers live, everything runs."""

import pytest

from neural.models import TaskRun
from neural.runs.publishing import publisher
from tests.integration.cluster import client, expect_once, took, wait_for_runs, within
from tests.integration.submitting import names, submit, submit_together
from tests.probe.models import Effect
from tests.watching import wait_until

pytestmark = pytest.mark.integration

QUICK = {"republish_seconds": 1, "republish_lease_seconds": 2}


@pytest.fixture
def quick(settings):
    """What this process submits is published again soon."""
    settings.NEURAL = {**settings.NEURAL, **QUICK}


def test_a_wiped_broker_loses_nothing(cluster, quick):
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


def test_submitting_goes_on_while_the_broker_is_away_and_all_runs_when_it_is_back(cluster, quick):
    worker = cluster.worker(**QUICK)
    submit("before")
    wait_for_runs()

    cluster.broker.stop()
    away = names("away", 60)
    with took() as seconds:
        for key in away:
            submit(key)
    assert publisher().breaker_is_open
    assert seconds() < 10  # one failure, not sixty
    assert TaskRun.objects.filter(state="pending").count() == 60
    cluster.broker.start()

    submit("after")
    wait_for_runs()
    expect_once(["before", *away, "after"])
    assert worker.is_running
    assert set(TaskRun.objects.values_list("losses", "failures")) == {(0, 0)}


def stop_the_broker_under_load(cluster, worker) -> None:
    """Late acknowledgements meet a broker that is gone."""
    for round_number in range(3):
        submit_together(names(f"load{round_number}-", 5), type="probe.two_step", seconds=0.3)
        wait_until(lambda r=round_number: cluster.starts(f"load{r}-0000"), 30)
        cluster.broker.kill()
        within(1.5, lambda: not worker.is_running)
        cluster.broker.start()
        if not worker.is_running:
            return
        wait_until(lambda: "event=broker_back" not in worker.text or True)
        within(3, lambda: TaskRun.objects.filter(state="pending").count() == 0)


def test_a_worker_outlives_a_broker_that_goes_away_under_load(cluster, quick):
    worker = cluster.worker(concurrency=3, **QUICK)

    stop_the_broker_under_load(cluster, worker)

    assert worker.is_running
    wait_for_runs()
    expect_once([key for r in range(3) for key in names(f"load{r}-", 5)])


def test_without_the_patch_that_worker_ends(cluster, quick):
    """Should this fail, Celery has mended it: `neural/runs/broker.py` can go."""
    worker = cluster.worker(concurrency=3, environment={"PROBE_WITHOUT_PATCH": "1"}, **QUICK)

    stop_the_broker_under_load(cluster, worker)

    assert within(20, lambda: not worker.is_running)
    assert "'NoneType' object has no attribute 'hostname'" in worker.text


def test_a_frozen_broker_costs_a_submitter_about_a_second_once(cluster, quick):
    worker = cluster.worker(**QUICK)
    submit("before")
    wait_for_runs()

    cluster.broker.freeze()
    with took() as first:
        submit("first")
    with took() as rest:
        for key in names("rest", 20):
            submit(key)
    cluster.broker.thaw()

    assert first() < 4  # about one second; more only on a busy machine
    assert rest() < 4
    assert wait_until(lambda: not publisher().breaker_is_open, 20) is None
    submit("after")
    wait_for_runs()
    expect_once(["before", "first", *names("rest", 20), "after"])
    assert worker.is_running


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


def test_a_message_lost_before_a_worker_read_it_is_sent_again(cluster, quick):
    submit("lost")
    with client(cluster.broker) as connection:
        assert connection.delete("default") == 1

    cluster.worker(**QUICK)

    wait_for_runs()
    expect_once(["lost"])


def test_the_relay_does_not_flood_a_long_queue(cluster, quick):
    """With nobody reading the queue, everything is owed again and again."""
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
