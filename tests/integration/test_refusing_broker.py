"""A broker that answers and refuses: full, its disk full, a replica, another password. It is as
if it were away: workers and beat live on, nothing is lost, all of it runs when it is over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from neural.models import TaskRun
from neural.runs.publishing import publisher
from tests.integration.cluster import client, expect_once, took, wait_for_runs, within
from tests.integration.rabbitmq import RabbitMQ
from tests.integration.submitting import names, submit
from tests.watching import wait_until

pytestmark = pytest.mark.integration

QUICK = {"republish_seconds": 1, "republish_lease_seconds": 2}
Server = redis.Redis


@contextmanager
def full(server: Server) -> Iterator[None]:
    """OOM."""
    server.config_set("maxmemory", "1kb")
    yield
    server.config_set("maxmemory", "0")


@contextmanager
def disk_full(server: Server) -> Iterator[None]:
    """MISCONF: it cannot write its file, for there is a directory of that name."""
    file = Path(server.config_get("dir")["dir"]) / "dump.rdb"
    server.config_set("save", "3600 1000000")
    file.mkdir()
    server.bgsave()
    wait_until(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "err", 20)
    yield
    file.rmdir()
    server.config_set("save", "")


@contextmanager
def replica(server: Server) -> Iterator[None]:
    """READONLY; who waits for a message hears UNBLOCKED."""
    server.replicaof("127.0.0.1", "1")
    yield
    server.replicaof("NO", "ONE")


@contextmanager
def without_replicas(server: Server) -> Iterator[None]:
    """NOREPLICAS."""
    server.config_set("min-replicas-to-write", "1")
    yield
    server.config_set("min-replicas-to-write", "0")


@contextmanager
def another_password(server: Server) -> Iterator[None]:
    """NOAUTH."""
    server.config_set("requirepass", "a secret")
    server.client_kill_filter(_type="normal", skipme=True)
    yield
    server.config_set("requirepass", "")


@contextmanager
def no_room_for_clients(server: Server) -> Iterator[None]:
    """'max number of clients reached'."""
    before = server.config_get("maxclients")["maxclients"]
    server.config_set("maxclients", "1")
    server.client_kill_filter(_type="normal", skipme=True)
    yield
    server.config_set("maxclients", before)


FAULTS: list[Callable] = [
    full, disk_full, replica, without_replicas, another_password, no_room_for_clients,
]  # fmt: skip


@pytest.fixture
def server(cluster) -> Iterator[Server]:
    if isinstance(cluster.broker, RabbitMQ):
        pytest.skip("of Redis alone")
    with client(cluster.broker) as connection:
        yield connection


def test_one_worker_outlives_every_way_in_which_redis_refuses(cluster, settings, server):
    settings.NEURAL = {**settings.NEURAL, **QUICK}
    worker = cluster.worker(**QUICK)
    keys = names("before", 5)
    worker.freeze()
    for key in keys:
        submit(key)
    with full(server):
        worker.thaw()
        wait_for_runs()  # what is in a full broker is worked on, which empties it

    for fault in FAULTS:
        during = names(fault.__name__, 20)
        with fault(server):
            with took() as seconds:
                for key in during:
                    submit(key)
            assert publisher().breaker_is_open, fault
            assert seconds() < 6, fault  # one failure, not twenty
            # A probe that only reads would close the breaker again.
            assert not within(1.5, lambda: not worker.is_running), fault
            assert publisher().breaker_is_open, fault
        keys += during
        wait_for_runs()

    expect_once(keys)
    assert set(TaskRun.objects.values_list("losses", "failures")) == {(0, 0)}
    assert worker.text.count("level=warning") + worker.text.count("level=error") < 100
