"""Makes a Redis refuse commands, in every way it can. Each fault ends with its block."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import redis

from tests.watching import wait_until

Fault = Callable[[redis.Redis], AbstractContextManager[None]]


def setting(name: str, value: str) -> Fault:
    """A fault that sets one option; existing connections stay open."""

    @contextmanager
    def fault(server: redis.Redis) -> Iterator[None]:
        before = server.config_get(name)[name]
        server.config_set(name, value)
        yield
        server.config_set(name, before)

    return fault


def with_all_cut_off(change: Fault) -> Fault:
    """The same fault; it also disconnects every client but the test's own."""

    @contextmanager
    def fault(server: redis.Redis) -> Iterator[None]:
        with change(server):
            server.client_kill_filter(_type="normal", skipme=True)
            yield

    return fault


@contextmanager
def disk_full(server: redis.Redis) -> Iterator[None]:
    """MISCONF: Redis cannot write its file, because a directory has that name."""
    file = Path(server.config_get("dir")["dir"]) / "dump.rdb"
    server.config_set("save", "3600 1000000")
    file.mkdir()
    server.bgsave()
    wait_until(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "err")
    yield
    file.rmdir()
    server.config_set("save", "")


@contextmanager
def replica(server: redis.Redis) -> Iterator[None]:
    """READONLY; clients that wait for a message get UNBLOCKED."""
    server.replicaof("127.0.0.1", "1")
    yield
    server.replicaof("NO", "ONE")


full = setting("maxmemory", "1kb")
"""Redis answers OOM."""
too_few_replicas = setting("min-replicas-to-write", "1")
"""Redis answers NOREPLICAS."""
another_password = with_all_cut_off(setting("requirepass", "a secret"))
"""Redis answers NOAUTH."""
no_room_for_clients = with_all_cut_off(setting("maxclients", "1"))
"""Redis answers 'max number of clients reached'."""
