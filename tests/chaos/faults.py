"""What may befall workers, submitters, broker and database while events come in."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import redis
from django.db import InterfaceError, OperationalError, connection, transaction

from tests import forged
from tests.chaos import acts
from tests.chaos.processes import Chaos
from tests.integration.cluster import RabbitMQ, client
from tests.ports import free_port
from tests.watching import wait_until

Fault = Callable[[Chaos], None]


# Processes


def kill_a_worker(chaos: Chaos) -> None:
    chaos.a_worker().kill()


def stop_a_worker(chaos: Chaos) -> None:
    worker = chaos.a_worker()
    worker.process.terminate()
    chaos.told_to_stop.append(worker)


def kill_a_pool_process(chaos: Chaos) -> None:
    chaos.kill_a_process_of(chaos.a_worker().children())


def freeze_a_worker(chaos: Chaos) -> None:
    worker = chaos.a_worker()
    worker.freeze()
    time.sleep(chaos.dice.uniform(1, 9))
    worker.thaw()


def freeze_who_holds_a_run(chaos: Chaos) -> None:
    """For so long that it is given up: awake again, it may change nothing of that run."""
    task_id = chaos.submit_a_slow_one()
    with suppress(AssertionError):  # the broker is away, or the queue is long
        wait_until(lambda: chaos.holder(task_id), 20)
        if holder := chaos.holder(task_id):
            chaos.freeze_for_long(holder)
            chaos.done["frozen at work"] += 1


def kill_a_submitter(chaos: Chaos) -> None:
    process = chaos.dice.choice(chaos.submitters)
    process.kill()
    process.wait()


# The broker away, or without memory


def restart_the_broker(chaos: Chaos) -> None:
    chaos.cluster.broker.kill()
    time.sleep(chaos.dice.uniform(0, 3))
    chaos.cluster.broker.start()


def wipe_the_broker(chaos: Chaos) -> None:
    chaos.cluster.broker.wipe()


def freeze_the_broker(chaos: Chaos) -> None:
    chaos.cluster.broker.freeze()
    time.sleep(chaos.dice.uniform(0.5, 4))
    chaos.cluster.broker.thaw()


# Messages that no client would send


def send_forged_messages(chaos: Chaos) -> None:
    kinds = forged.LETTERS | forged.LOGGED
    with client(chaos.cluster.broker) as server:
        for kind in chaos.dice.sample(sorted(kinds), 5):
            name = f"{kind} {chaos.dice.random()}"
            server.lpush("default", forged.as_bytes(kinds[kind](name)))


# The broker that answers and refuses


def fill_the_broker(chaos: Chaos) -> None:
    with _redis(chaos) as server:
        server.config_set("maxmemory", 1)
        time.sleep(chaos.dice.uniform(0.5, 4))
        server.config_set("maxmemory", 0)


def make_the_broker_a_replica(chaos: Chaos) -> None:
    """Of a server that does not exist: it keeps what it has, and takes nothing."""
    with _redis(chaos) as server:
        server.replicaof("127.0.0.1", free_port())
        time.sleep(chaos.dice.uniform(0.5, 4))
        server.replicaof("NO", "ONE")


def change_the_brokers_password(chaos: Chaos) -> None:
    with _redis(chaos) as server:
        server.config_set("requirepass", "another")
        server.client_kill_filter(_type="normal", skipme=True)
        time.sleep(chaos.dice.uniform(0.5, 4))
        server.config_set("requirepass", "")


@contextmanager
def _redis(chaos: Chaos) -> Iterator[redis.Redis]:
    """One connection, so that it stays logged in whatever becomes of the password."""
    with client(chaos.cluster.broker) as pool, pool.client() as server:
        yield server


# The database


def lock_the_database(chaos: Chaos) -> None:
    with suppress(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE neural_taskrun IN ACCESS EXCLUSIVE MODE")
        time.sleep(chaos.dice.uniform(0.5, 4))


def cut_the_databases_connections(chaos: Chaos) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


OF_PROCESSES: dict[Fault, int] = {
    kill_a_worker: 4,
    stop_a_worker: 2,
    kill_a_pool_process: 4,
    freeze_a_worker: 1,
    freeze_who_holds_a_run: 2,
    kill_a_submitter: 2,
    acts.kill_a_web_process: 1,
}
END_WORKERS = {kill_a_worker, stop_a_worker, freeze_a_worker, freeze_who_holds_a_run}
"""While somebody is frozen for long, others must live for long enough to give it up."""
ACTS: dict[Fault, int] = {
    acts.retry_what_is_dead: 1,
    acts.start_now_what_waits: 1,
    acts.pause_a_queue: 2,
    acts.prune_what_is_old: 1,
    acts.rebuild_the_index: 1,
    acts.start_beat_again: 1,
}
OF_THE_BROKER: dict[Fault, int] = {
    restart_the_broker: 2,
    wipe_the_broker: 2,
    freeze_the_broker: 1,
}
OF_REDIS: dict[Fault, int] = {
    fill_the_broker: 1,
    make_the_broker_a_replica: 1,
    change_the_brokers_password: 1,
    send_forged_messages: 3,
}
OF_THE_DATABASE: dict[Fault, int] = {lock_the_database: 1}
OF_POSTGRESQL: dict[Fault, int] = {cut_the_databases_connections: 2}


def faults_here(chaos: Chaos) -> dict[Fault, int]:
    """The faults that this broker and this database can have, and how often each comes."""
    found = OF_PROCESSES | OF_THE_BROKER | OF_THE_DATABASE | ACTS
    if chaos.frozen:
        found = {fault: weight for fault, weight in found.items() if fault not in END_WORKERS}
    if not isinstance(chaos.cluster.broker, RabbitMQ):
        found |= OF_REDIS
    if connection.vendor == "postgresql":
        found |= OF_POSTGRESQL
    return found


def strike(chaos: Chaos) -> None:
    """One fault, by the dice; an act may meet a database that is locked or cut off just now."""
    faults = faults_here(chaos)
    fault = chaos.dice.choices(list(faults), weights=list(faults.values()))[0]
    with suppress(OperationalError, InterfaceError):
        fault(chaos)
    chaos.done[fault.__name__] += 1
