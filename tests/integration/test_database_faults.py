"""The database locked or cut off: nothing lost, no worker killed, none given up."""

import subprocess
import sys

import pytest
from django.db import connection

from neural.models import TaskRun, WorkerProcess
from tests.integration.cluster import ROOT, expect_once, wait_for_runs, within
from tests.integration.submitting import names, submit, submit_together
from tests.probe.models import Effect
from tests.watching import wait_until

pytestmark = pytest.mark.integration

LOCK = """
import os, sys, time
import django
django.setup()
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    if connection.vendor == "postgresql":
        cursor.execute("LOCK TABLE neural_taskrun, neural_workerprocess IN ACCESS EXCLUSIVE MODE")
    print("locked", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("kind", ["probe.counted", "probe.batched"])
def test_a_database_lock_of_fifteen_seconds_loses_nothing_and_condemns_nobody(cluster, kind):
    # Shorter than the lock. After an outage a relay counts half of it at most (Watch.longest_gap).
    limits = {"heartbeat_seconds": 0.5, "worker_lost_seconds": 14}
    workers = [cluster.start_worker(concurrency=2, **limits) for _ in range(2)]
    for worker in workers:
        worker.wait_until_ready()
    said = [len(worker.text) for worker in workers]  # of each other's slow start, perhaps
    keys = names("locked", 100)
    submit_together(keys[:50], kind=kind)
    for key in keys[50:]:
        submit(key, kind=kind)

    locker = subprocess.Popen(
        [sys.executable, "-c", LOCK],
        cwd=ROOT,
        env=cluster.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with locker:
        assert locker.stdout.readline() == "locked\n"
        assert not within(15, lambda: not all(worker.is_running for worker in workers))
        locker.stdin.write("\n")
        locker.stdin.flush()

    wait_for_runs()
    expect_once(keys)
    assert all(worker.is_running for worker in workers)
    for worker, before in zip(workers, said, strict=True):
        assert "event=worker_lost" not in worker.text[before:]
    assert WorkerProcess.objects.present().count() == 2
    assert set(TaskRun.objects.values_list("losses", flat=True)) == {0}


@pytest.mark.faults
def test_connections_cut_off_under_load_are_recovered(cluster):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections to cut off")
    limits = {"republish_seconds": 1, "republish_lease_seconds": 2}
    workers = [cluster.worker(concurrency=2, **limits) for _ in range(2)]
    keys = names("cut", 400)
    for number, key in enumerate(keys):
        submit(key, seconds=0.005)
        if number % 60 == 30:
            cut_off_everybody_else()

    wait_for_runs()
    expect_once(keys)
    assert all(worker.is_running for worker in workers)
    submit("afterwards")
    wait_until(lambda: Effect.objects.filter(key="afterwards").exists(), 120)


def cut_off_everybody_else() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
