"""A Redis made to refuse, in every way in which it may; mended when the block ends."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import redis

from tests.watching import wait_until

Fault = Callable[[redis.Redis], AbstractContextManager[None]]


def setting(name: str, value: str) -> Fault:
    """Its own setting; connections stay."""

    @contextmanager
    def fault(server: redis.Redis) -> Iterator[None]:
        before = server.config_get(name)[name]
        server.config_set(name, value)
        yield
        server.config_set(name, before)

    return fault


def with_all_cut_off(change: Fault) -> Fault:
    """That, and every client but the test's is to connect anew."""

    @contextmanager
    def fault(server: redis.Redis) -> Iterator[None]:
        with change(server):
            server.client_kill_filter(_type="normal", skipme=True)
            yield

    return fault


@contextmanager
def disk_full(server: redis.Redis) -> Iterator[None]:
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
def replica(server: redis.Redis) -> Iterator[None]:
    """READONLY; who waits for a message hears UNBLOCKED."""
    server.replicaof("127.0.0.1", "1")
    yield
    server.replicaof("NO", "ONE")


full = setting("maxmemory", "1kb")
"""OOM."""
too_few_replicas = setting("min-replicas-to-write", "1")
"""NOREPLICAS."""
another_password = with_all_cut_off(setting("requirepass", "a secret"))
"""NOAUTH."""
no_room_for_clients = with_all_cut_off(setting("maxclients", "1"))
"""'max number of clients reached'."""
