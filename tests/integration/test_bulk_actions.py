"""A bulk action with real workers that are killed in the middle: each run is changed once."""

from collections import Counter

import pytest

from neural.ledger.clock import database_clock
from neural.models import BulkAction, BulkActionItem, RunState, TaskRun
from neural.runs.models.new_run import new_task_id
from tests.integration.cluster import Cluster, wait_for_runs
from tests.unit.runs import bulk_world
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]

RUNS = 2000
QUICK = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 3}


def make_dead_runs() -> list[int]:
    now = database_clock()
    rows = [
        TaskRun(
            task="probe.count",
            task_id=new_task_id(),
            queue="default",
            state=RunState.DEAD,
            finished_at=now,
        )
        for _ in range(RUNS)
    ]
    return [run.pk for run in TaskRun.objects.bulk_create(rows, batch_size=500)]


def changed() -> int:
    return BulkAction.objects.get().changed


def test_an_action_whose_workers_are_killed_changes_each_run_once(cluster: Cluster) -> None:
    keys = make_dead_runs()
    # So slow that each worker is killed in the middle, however late the test comes to it.
    action = bulk_world.act_on_all(bulk_world.operator(), "discard", pace=50)

    for least in (1, 100):
        worker = cluster.worker(concurrency=1, **QUICK)
        wait_until(lambda least=least: changed() >= least, 120)
        worker.kill()
    assert changed() < RUNS
    BulkAction.objects.update(pace=5000)
    cluster.worker(concurrency=1, **QUICK)
    wait_until(lambda: BulkAction.objects.get().state == "finished", 200)

    wait_for_runs(task="neural.tasks.act_on_runs")
    action.refresh_from_db()
    assert (action.changed, action.unfit, action.failed) == (RUNS, 0, 0)
    items = BulkActionItem.objects.order_by("run_id").values_list("run_id", "outcome", "before")
    assert list(items) == [(key, "changed", "dead") for key in keys]
    states = TaskRun.objects.filter(pk__in=keys).values_list("state", flat=True)
    assert Counter(states) == {"discarded": RUNS}


def test_retried_runs_are_published_and_run_once(cluster: Cluster) -> None:
    """Without a message of their own each: the relay publishes them."""
    from tests.probe.models import Effect

    keys = [f"key{number}" for number in range(300)]
    rows = [
        TaskRun(
            task="probe.count",
            task_id=new_task_id(),
            queue="default",
            state=RunState.DEAD,
            finished_at=database_clock(),
            kwargs={"key": key},
        )
        for key in keys
    ]
    TaskRun.objects.bulk_create(rows)
    cluster.worker(concurrency=2)

    action = bulk_world.act_on_all(bulk_world.operator())

    wait_until(lambda: BulkAction.objects.get().state == "finished", 200)
    wait_for_runs(task="probe.count", seconds=200)
    assert Effect.counts() == dict.fromkeys(keys, 1)
    action.refresh_from_db()
    assert action.changed == len(keys)
