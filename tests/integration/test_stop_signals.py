"""A worker that is told to stop ends, whatever it was about."""

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
