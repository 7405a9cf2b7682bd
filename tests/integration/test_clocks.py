"""Clocks that are wrong: workers live in a time of their own (libfaketime), their work does not.

On SQLite the database's clock is that of the process that asks, so a worker whose clock differs is
tried on PostgreSQL, and a clock that is set under all of them on SQLite.
"""

import os
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from neural.health.findings import Status
from neural.health.situation import Situation
from neural.health.workers import clocks
from neural.models import TaskRun
from tests.integration.cluster import expect_once, wait_for_runs
from tests.integration.submitting import submit
from tests.probe import tasks
from tests.watching import wait_until

pytestmark = pytest.mark.integration

ON_SQLITE = connection.vendor == "sqlite"
QUICK = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 20}


def in_its_own_time(**settings: str) -> dict[str, str]:
    """The environment of a process whose clock, but not its monotonic one, is what we say."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("libfaketime is not installed: apt-get install faketime")
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        **settings,
    }


def wait_for_heartbeats(worker, count: int) -> None:
    """As many as that: its relay has looked at what it holds several times meanwhile."""
    seen = set()
    wait_until(lambda: seen.add(worker.row.heartbeat_at) or len(seen) > count, 60)


@pytest.mark.skipif(ON_SQLITE, reason="SQLite's clock is the worker's own")
def test_a_worker_ten_minutes_ahead_condemns_nothing_and_is_named(cluster):
    fast = cluster.worker(
        environment=in_its_own_time(FAKETIME="+10m"), **{**QUICK, "retry_base_seconds": 1}
    )
    tasks.count_in_two_steps.delay(key="long", gate="open")
    cluster.wait_for_start("long")

    submit("failing", fail_times=1)
    wait_for_heartbeats(fast, 5)
    wait_for_runs(event__event_id="failing")
    finding = clocks(Situation())
    cluster.open_gate("open")

    wait_for_runs()
    expect_once(["long", "failing"])
    assert not TaskRun.objects.exclude(losses=0).exists()
    assert finding.status == Status.PROBLEM
    assert fast.row.name in finding.found
    assert "ahead of the database" in finding.found
    assert all(run.finished_at < timezone.now() for run in TaskRun.objects.all())


@pytest.mark.skipif(not ON_SQLITE, reason="PostgreSQL's clock cannot be set here")
def test_a_clock_that_is_set_under_working_workers_condemns_nothing(cluster):
    """A minute forward, then two back, as NTP may do to the machine that all of them are on."""
    time_file = cluster.directory / "time"
    set_clock(time_file, "+0")
    own_time = in_its_own_time(FAKETIME_TIMESTAMP_FILE=str(time_file), FAKETIME_NO_CACHE="1")
    at_work, judge = (
        cluster.start_worker(queues=queue, environment=own_time, **QUICK)
        for queue in ("default", "low_priority")
    )
    for worker in (at_work, judge):
        worker.wait_until_ready()
    before = len(judge.text)
    tasks.count_in_two_steps.delay(key="long", gate="open")
    cluster.wait_for_start("long")

    for offset in ("+60", "-60"):
        set_clock(time_file, offset)
        wait_for_heartbeats(judge, 4)
    cluster.open_gate("open")

    wait_for_runs()
    expect_once(["long"])
    assert TaskRun.objects.get().losses == 0
    assert "worker_lost" not in judge.text[before:]


def set_clock(file: Path, offset: str) -> None:
    """Whole at any moment: the workers read it whenever they ask what time it is."""
    new = file.with_suffix(".new")
    new.write_text(f"{offset}\n")
    os.replace(new, file)
