"""RabbitMQ out of memory or disk: it takes nothing from who publishes, and says nothing."""

import pytest

from neural.broker import connections
from neural.broker.publisher import publisher
from tests.integration.cluster import UNHURRIED, Cluster, expect_once, took, wait_for_runs, within
from tests.integration.conftest import point_this_process_to
from tests.integration.rabbitmq import RabbitMQ, celery_setting
from tests.integration.rabbitmq_node import Node, program
from tests.integration.submitting import names, submit

pytestmark = [pytest.mark.integration, pytest.mark.rabbitmq]

QUICK = {"republish_seconds": 1, "republish_lease_seconds": 2}


@pytest.fixture
def node(tmp_path):
    if program("rabbitmq-server") is None:
        pytest.skip("RabbitMQ's program is not installed")
    node = Node(tmp_path / "rabbitmq")
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture
def cluster(transactional_db, settings, monkeypatch, tmp_path, node):
    settings.NEURAL = {**UNHURRIED, **QUICK}
    point_this_process_to(node.url, monkeypatch)
    with celery_setting("broker_transport_options", dict(connections.RABBITMQ_OPTIONS)):
        cluster = Cluster(tmp_path, RabbitMQ(node.url))
        cluster.broker.start()
        yield cluster
        cluster.destroy()
        publisher().close()
        cluster.broker.stop()
    for worker in cluster.workers:
        print(f"--- {worker.name}, the end of its log ---\n{worker.text[-6000:]}")


@pytest.mark.faults
def test_a_rabbitmq_with_an_alarm_on_is_one_that_is_away(cluster, node, patiently):
    worker = cluster.worker(neighbourly=True, **QUICK)
    keys = names("before", 20)
    worker.freeze()
    with patiently():  # no relay could send a message to such a broker
        for key in keys:
            submit(key, kind="probe.two_step", seconds=0.4)
    node.alarm()
    worker.thaw()
    wait_for_runs()  # it still gives out what it has

    during = names("during", 20)
    with took() as seconds:
        for key in during:
            submit(key)
    assert publisher().breaker_is_open
    assert seconds() < 10  # one failure, not twenty
    assert not within(3, lambda: not worker.is_running)
    assert publisher().breaker_is_open

    node.calm()
    wait_for_runs()
    expect_once([*keys, *during])
    assert worker.is_running
