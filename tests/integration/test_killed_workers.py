"""kill -9: nothing accepted is lost, nothing is done twice."""

import os
import signal

import pytest

from neural.ledger.record import enqueue
from neural.models import AttemptOutcome, TaskAttempt, TaskRun
from tests.integration.cluster import expect_once, wait_for_runs
from tests.integration.submitting import names, submit, submit_together
from tests.probe.models import Counter, Effect

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]

QUICK = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 3}


@pytest.mark.quick
def test_runs_of_a_killed_worker_start_again_elsewhere(cluster):
    first = cluster.worker(concurrency=1, **QUICK)
    submit("held", gate="never")
    cluster.wait_for_start("held")
    submit_together(names("waiting", 60)) if not _sqlite() else None

    first.kill()
    cluster.open_gate("never")
    if _sqlite():  # its one writer held the lock until now
        submit_together(names("waiting", 60))
    cluster.worker(concurrency=1, **QUICK)

    wait_for_runs()
    expect_once(["held", *names("waiting", 60)])
    held = TaskRun.objects.get(event__event_id="held")
    assert (held.losses, held.failures) == (1, 0)
    assert TaskAttempt.objects.get(run=held).outcome == AttemptOutcome.LOST
    assert first.row.lost_at


def _sqlite() -> bool:
    from django.db import connection

    return connection.vendor == "sqlite"


@pytest.mark.parametrize("kind", ["counted", "two_step"])
def test_a_killed_pool_process_costs_its_run_one_delivery(cluster, kind):
    worker = cluster.worker(concurrency=1)
    submit("held", kind=f"probe.{kind}", gate="open")
    process = cluster.wait_for_start("held")

    os.kill(process, signal.SIGKILL)
    cluster.open_gate("open")

    wait_for_runs()
    expect_once(["held"])
    run = TaskRun.objects.get()
    assert (run.losses, run.failures) == (1, 0)
    assert len(cluster.starts("held")) == 2
    assert worker.is_running


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["probe.counted", "probe.batched"])
def test_of_a_batch_whose_process_was_killed_only_what_had_begun_counts_a_loss(cluster, kind):
    keys = names("batch", 50)
    submit_together([*keys[:20]], kind=kind)
    submit("batch0020", kind=kind, kill_times=1)
    submit_together(keys[21:], kind=kind)

    # However busy the machine is, no run is left to another batch.
    cluster.worker(concurrency=1, batch_claim_seconds=60)

    wait_for_runs()
    expect_once(keys)
    assert not Effect.objects.exclude(key__in=keys).exists()
    losses = dict(TaskRun.objects.values_list("event__event_id", "losses"))
    assert losses == {key: len(cluster.starts(key)) - 1 for key in keys}
    assert losses["batch0020"] == 1
    assert 0 in losses.values() or kind == "probe.batched"  # one call has begun all that it takes
    assert set(TaskRun.objects.values_list("failures", flat=True)) == {0}


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["probe.counted", "probe.batched"])
def test_a_poison_is_stopped_after_four_lost_deliveries_and_its_neighbours_finish(cluster, kind):
    submit_together(names("before", 10), kind=kind)
    submit("poison", kind=kind, kill_times=99)
    submit_together(names("after", 10), kind=kind)

    worker = cluster.worker(concurrency=2)

    poison = TaskRun.objects.filter(event__event_id="poison")
    wait_for_runs(state="dead", event__event_id="poison")
    neighbours = [*names("before", 10), *names("after", 10)]
    wait_for_runs(event__event_id__in=neighbours)
    expect_once(neighbours)
    assert poison.get().losses == 4
    assert "poison" in poison.get().error
    assert poison.get().failures == 0
    assert len(cluster.starts("poison")) == 4
    assert worker.is_running


def test_one_that_fails_in_a_batch_of_one_call_disturbs_no_neighbour(cluster):
    keys = names("batch", 50)
    submit_together([*keys[:20]], kind="probe.batched")
    submit("failing", kind="probe.batched", permanent=True)
    submit_together(keys[20:], kind="probe.batched")

    cluster.worker(concurrency=1, batch_claim_seconds=5)

    wait_for_runs(event__event_id__in=keys)
    wait_for_runs(state="dead", event__event_id="failing")
    expect_once(keys)
    assert Effect.counts().keys() == set(keys)
    neighbours = TaskRun.objects.exclude(event__event_id="failing")
    assert set(neighbours.values_list("failures", "losses")) == {(0, 0)}


@pytest.mark.faults
def test_a_task_that_outlives_its_hard_limit_is_recovered(cluster):
    from tests.probe.tasks import stuck

    cluster.worker(concurrency=1)

    stuck.apply_async(kwargs={"key": "stuck", "seconds": 60})

    wait_for_runs()
    assert Effect.counts() == {"stuck": 1}
    assert TaskRun.objects.get().losses == 1


@pytest.mark.faults
def test_an_idle_workers_messages_are_not_lost_with_it(cluster):
    """What it had taken from the queue but not begun is published again."""
    first = cluster.worker(concurrency=1, **QUICK)
    submit("held", kind="probe.two_step", gate="open")
    cluster.wait_for_start("held")
    keys = names("prefetched", 5)
    for key in keys:
        submit(key)

    first.kill()
    cluster.open_gate("open")
    cluster.worker(concurrency=1, republish_seconds=1, republish_lease_seconds=2, **QUICK)
    TaskRun.objects.update(publish_at="2000-01-01T00:00:00Z")

    wait_for_runs()
    expect_once([*keys, "held"])
    assert Counter.read("all") == 6


@pytest.mark.faults
def test_a_plain_tasks_run_survives_its_process(cluster):
    cluster.worker(concurrency=1)

    enqueue(
        task="probe.count",
        args=[],
        kwargs={"key": "task", "kill_times": 2},
        queue="default",
        priority=5,
    )

    wait_for_runs()
    expect_once(["task"])
    assert TaskRun.objects.get().losses == 2
