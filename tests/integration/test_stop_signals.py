"""A worker that is told to stop ends, whatever it was about."""

import os
import signal

import pytest

from tests.integration.cluster import expect_once, wait_for_runs
from tests.integration.submitting import submit

pytestmark = pytest.mark.integration


def test_a_worker_stopped_while_it_writes_to_its_pool_ends_and_its_work_is_done_by_another(cluster):
    """Half of the message was written; the process that reads it waited for the rest for ever."""
    first = cluster.worker(concurrency=1, environment={"PROBE_STOP_WHILE_WRITING": "1"})
    submit("one")

    assert first.process.wait(180) == 0

    cluster.worker(concurrency=1)
    wait_for_runs()
    expect_once(["one"])


def test_a_pool_process_that_does_not_end_holds_up_no_stop(cluster):
    """Celery waited for it for ever."""
    worker = cluster.worker(concurrency=2, environment={"PROBE_STOP_GRACE": "1 120"})
    os.kill(max(worker.children()), signal.SIGSTOP)

    assert worker.stop(180) == 0

    assert "event=stop_hangs" in worker.text
    assert "event=worker_stopped" in worker.text


def test_a_stop_that_hangs_without_its_pool_is_given_up(cluster):
    hanging = {"PROBE_STOP_GRACE": "1 1", "PROBE_STOP_HANGS": "1"}
    worker = cluster.worker(concurrency=1, environment=hanging)

    assert worker.stop(180) == 1

    assert "wait_for_ever" in worker.text.partition("event=stop_given_up")[2]
