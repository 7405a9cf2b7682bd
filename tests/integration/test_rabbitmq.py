"""RabbitMQ as the broker, where one answers: events run, a lost broker is survived.

RABBITMQ_URL names it; its three queues are emptied before and after. The whole suite runs on it
with CELERY_BROKER_URL=amqp://….
"""

import os
from urllib.parse import urlsplit

import pytest

from neural.broker import connections
from neural.broker.message import RunMessage
from neural.broker.publisher import BrokerUnavailable, publisher
from neural.health.examination import examine
from neural.health.findings import Status
from neural.models import TaskRun
from tests.integration.cluster import UNHURRIED, Cluster, expect_once, took, wait_for_runs, within
from tests.integration.conftest import point_this_process_to
from tests.integration.rabbitmq import RabbitMQ, alone, celery_setting
from tests.integration.submitting import names, submit, submit_together
from tests.probe.tasks import give_back, wait_at_gate
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.rabbitmq]

URL = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
QUICK = {"republish_seconds": 1, "republish_lease_seconds": 2}


@pytest.fixture
def rabbitmq():
    rabbitmq = RabbitMQ(URL)
    if not rabbitmq.answers():
        pytest.skip(f"no RabbitMQ answers on {urlsplit(URL).hostname} (RABBITMQ_URL)")
    with alone():
        rabbitmq.empty()
        rabbitmq.start()
        yield rabbitmq
        rabbitmq.stop()
        rabbitmq.empty()


@pytest.fixture
def cluster(transactional_db, settings, monkeypatch, tmp_path, rabbitmq):
    settings.NEURAL = {**UNHURRIED, **QUICK}
    point_this_process_to(rabbitmq.url, monkeypatch)
    with celery_setting("broker_transport_options", dict(connections.RABBITMQ_OPTIONS)):
        cluster = Cluster(tmp_path, rabbitmq)
        yield cluster
        cluster.destroy()
        publisher().close()
    for worker in cluster.workers:
        print(f"--- {worker.name}, the end of its log ---\n{worker.text[-6000:]}")


def test_events_of_every_queue_and_ledger_tasks_run_end_to_end(cluster, patient):
    cluster.worker(**QUICK)
    kinds = ["probe.urgent", "probe.counted", "probe.low", "probe.two_step"]
    many = names("many", 120)
    for kind in kinds:
        submit(kind, kind=kind)
    submit("retried", fail_times=1)
    submit_together(many)
    give_back.apply_async(["one"], {"two": 2})

    wait_for_runs()
    assert TaskRun.objects.get(task="probe.give_back").result == [["one"], {"two": 2}]
    expect_once([*kinds, "retried", *many])


def test_many_runs_wait_at_once_in_one_process(cluster, patient):
    cluster.worker(pool="async", concurrency=30, **QUICK)
    waiting = names("waiting", 30)
    for key in waiting:
        wait_at_gate.apply_async(task_id=key, kwargs={"key": key, "gate": "open"})
    for key in waiting:
        cluster.wait_for_start(key)
    cluster.open_gate("open")
    submit("retried", kind="probe.async", fail_times=1)
    submit("no coroutine")

    wait_for_runs()
    expect_once([*waiting, "retried", "no coroutine"])


def test_messages_are_counted_and_a_queue_that_is_not_there_holds_none(cluster, patient):
    assert publisher().depths(["default", "no.such.queue"]) == {"default": 0, "no.such.queue": 0}

    publisher().publish(
        [RunMessage("1", "probe.count", "default"), RunMessage("2", "probe.count", "default")]
    )

    assert publisher().depths(["no.such.queue", "default"]) == {"default": 2, "no.such.queue": 0}


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["stop", "freeze"])
def test_a_rabbitmq_that_is_away_costs_a_submitter_about_a_second_once(cluster, patiently, fault):
    worker = cluster.worker(**QUICK)
    with patiently():
        submit("before")
    wait_for_runs()

    getattr(cluster.broker, fault)()
    with took() as seconds:
        for key in names("during", 20):
            submit(key)
    assert publisher().breaker_is_open
    assert seconds() < 10
    with pytest.raises(BrokerUnavailable):
        publisher().depths(["default"])

    cluster.broker.thaw() if fault == "freeze" else cluster.broker.start()
    wait_until(lambda: not publisher().breaker_is_open, 60)
    submit("after")
    wait_for_runs(seconds=90)
    expect_once(["before", *names("during", 20), "after"])
    assert worker.is_running


@pytest.mark.faults
def test_a_worker_outlives_a_freeze_that_is_longer_than_its_heartbeats(cluster, patiently):
    worker = cluster.worker(**QUICK)
    with patiently():
        submit("before", kind="probe.counted")
    wait_for_runs()

    cluster.broker.freeze()
    assert not within(2.5 * connections.RABBITMQ_HEARTBEAT_SECONDS, lambda: not worker.is_running)
    submit("during")
    cluster.broker.thaw()

    wait_for_runs(seconds=90)
    expect_once(["before", "during"])
    assert worker.is_running


@pytest.mark.faults
def test_a_killed_worker_loses_and_doubles_nothing(cluster, patient):
    limits = {**QUICK, "worker_lost_seconds": 3}
    first = cluster.worker(concurrency=1, **limits)
    keys = names("killed", 60)
    for key in keys:
        submit(key, seconds=0.02)
    within(0.5, lambda: False)
    first.kill()
    cluster.worker(**limits)

    wait_for_runs()
    expect_once(keys)


def test_doctor_knows_what_rabbitmq_keeps(cluster, patient):
    cluster.worker(**QUICK)
    found = {finding.probe: finding for finding in examine()}

    assert found["broker"].status == Status.OK
    assert "guest:guest" not in found["broker"].found
    assert found["durability"].status == Status.OK
    assert "RabbitMQ" in found["durability"].found
    assert found["messages"].status == Status.OK
