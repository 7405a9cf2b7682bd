"""A real worker that waits for many at once: killed, stopped, blocked; its runs are done once."""

import pytest

from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from tests.integration.cluster import expect_once, wait_for_runs
from tests.integration.submitting import names
from tests.probe.tasks import block, wait_at_gate
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]

QUICK = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 3}


def waiting(cluster, **options):
    return cluster.worker(pool="async", concurrency=30, **options)


def ask(keys, **order):
    for key in keys:
        wait_at_gate.apply_async(task_id=key, kwargs={"key": key, **order})


@pytest.mark.quick
def test_runs_that_wait_together_in_a_killed_worker_start_again_elsewhere(cluster):
    first = waiting(cluster, **QUICK)
    keys = names("held", 20)
    ask(keys, gate="open")
    for key in keys:
        cluster.wait_for_start(key)

    first.kill()
    cluster.open_gate("open")
    waiting(cluster, **QUICK)

    wait_for_runs()
    expect_once(keys)
    assert set(TaskRun.objects.values_list("losses", "failures")) == {(1, 0)}
    assert len(set(cluster.starts("held0000"))) == 2


def test_a_stopped_worker_lets_runs_end_and_releases_the_others_uncounted(cluster):
    first = waiting(cluster, environment={"PROBE_SOFT_SHUTDOWN": "3"})
    quick, slow = names("quick", 5), names("slow", 5)
    ask(quick, gate="soon")
    ask(slow, gate="late")
    for key in [*quick, *slow]:
        cluster.wait_for_start(key)

    first.process.terminate()
    wait_until(lambda: "Soft Shutdown" in first.text, 60)
    cluster.open_gate("soon")

    assert first.process.wait(120) == 0
    ended = dict(TaskRun.objects.values_list("task_id", "state"))
    assert ended == {
        **dict.fromkeys(quick, RunState.SUCCEEDED),
        **dict.fromkeys(slow, RunState.PENDING),
    }
    cluster.open_gate("late")
    waiting(cluster)
    wait_for_runs()
    expect_once([*quick, *slow])
    assert set(TaskRun.objects.values_list("losses", "failures")) == {(0, 0)}


@pytest.mark.faults
def test_a_coroutine_that_blocks_its_loop_costs_its_neighbours_no_delivery(cluster):
    first = waiting(cluster)
    keys = names("neighbour", 10)
    ask(keys, gate="open")
    for key in keys:
        cluster.wait_for_start(key)

    block.apply_async(task_id="blocks", kwargs={"key": "blocks", "seconds": 600})

    assert first.process.wait(120) == 70
    assert "event=worker_condemned run=blocks" in first.text
    cluster.open_gate("open")
    waiting(cluster)
    wait_for_runs()
    expect_once([*keys, "blocks"])
    losses = dict(TaskRun.objects.values_list("task_id", "losses"))
    assert losses == {"blocks": 1, **dict.fromkeys(keys, 0)}
    outcomes = dict(TaskAttempt.objects.values_list("run__task_id", "outcome"))
    assert outcomes["blocks"] == AttemptOutcome.LOST
    assert set(outcomes.values()) == {AttemptOutcome.LOST, AttemptOutcome.RELEASED}


def test_a_run_that_is_revoked_while_it_waits_is_cancelled_and_its_neighbour_succeeds(cluster):
    from celery import current_app

    worker = waiting(cluster)
    ask(["revoked", "other"], gate="open")
    for key in ("revoked", "other"):
        cluster.wait_for_start(key)

    current_app.control.revoke("revoked", terminate=True)
    wait_until(lambda: "revoked" not in at_work(), 60)
    cluster.open_gate("open")

    wait_for_runs(task_id="other")
    assert TaskRun.objects.get(task_id="revoked").state == RunState.CANCELLED
    expect_once(["other"])
    assert worker.is_running


def at_work():
    from celery import current_app

    found = current_app.control.inspect(timeout=2).active() or {}
    return {each["id"] for runs in found.values() for each in runs}
