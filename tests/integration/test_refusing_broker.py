"""A broker that answers and refuses: full, its disk full, a replica, another password. It is as
if it were away: workers and beat live on, nothing is lost, all of it runs when it is over."""

from collections.abc import Iterator

import pytest
import redis

from neural.broker.publisher import publisher
from neural.models import TaskRun
from tests import refusing
from tests.integration.cluster import client, expect_once, took, wait_for_runs, within
from tests.integration.rabbitmq import RabbitMQ
from tests.integration.submitting import names, submit

pytestmark = pytest.mark.integration

QUICK = {"republish_seconds": 1, "republish_lease_seconds": 2}
FAULTS = {
    "full": refusing.full,
    "disk": refusing.disk_full,
    "replica": refusing.replica,
    "replicas": refusing.too_few_replicas,
    "password": refusing.another_password,
    "clients": refusing.no_room_for_clients,
}


@pytest.fixture
def server(cluster) -> Iterator[redis.Redis]:
    if isinstance(cluster.broker, RabbitMQ):
        pytest.skip("of Redis alone")
    with client(cluster.broker) as connection:
        yield connection


@pytest.mark.faults
def test_one_worker_outlives_every_way_in_which_redis_refuses(cluster, settings, patiently, server):
    settings.NEURAL = {**settings.NEURAL, **QUICK}
    worker = cluster.worker(**QUICK)
    keys = names("before", 5)
    worker.freeze()
    with patiently():  # no relay could send a message to a full broker
        for key in keys:
            submit(key, kind="probe.two_step")  # each by its own message, none batched
    with refusing.full(server):
        worker.thaw()
        wait_for_runs()  # what is in a full broker is worked on, which empties it

    for name, fault in FAULTS.items():
        during = names(name, 20)
        with fault(server):
            with took() as seconds:
                for key in during:
                    submit(key)
            assert publisher().breaker_is_open, name
            assert seconds() < 10, name  # one failure, not twenty
            # A probe that only reads would close the breaker again.
            assert not within(1.5, lambda: not worker.is_running), name
            assert publisher().breaker_is_open, name
        keys += during
        wait_for_runs()

    expect_once(keys)
    assert set(TaskRun.objects.values_list("losses", "failures")) == {(0, 0)}
    assert worker.text.count("level=warning") + worker.text.count("level=error") < 100
