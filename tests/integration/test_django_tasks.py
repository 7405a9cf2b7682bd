"""Tasks of Django's framework in real workers."""

import pytest

from neural.models import RunState
from tests.integration.cluster import expect_once, wait_for_runs
from tests.probe import django_tasks as probe
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]


@pytest.mark.parametrize("pool", ["prefork", "async"])
def test_a_worker_runs_them_tries_them_again_and_their_results_can_be_read_here(cluster, pool):
    retried = probe.work_for_real.enqueue(key="retried", fail_times=1)
    urgent = probe.work_for_real.using(priority=90).enqueue(key="urgent")
    in_time = probe.give_back_async.enqueue(1, two=3)
    hopeless = probe.fail.using(backend="once").enqueue()
    worker = cluster.worker(pool=pool)

    wait_for_runs(task_id__in=[retried.id, urgent.id, in_time.id])
    wait_for_runs(task_id=hopeless.id, state=RunState.DEAD)

    for result in (retried, urgent, in_time, hopeless):
        result.refresh()
    assert in_time.return_value == [[1], {"two": 3}]
    assert retried.return_value == {"attempt": 2, "workers": retried.worker_ids}
    assert retried.errors[0].exception_class_path == "tests.probe.acting.Failing"
    assert urgent.attempts == 1
    assert urgent.worker_ids[0].startswith(f"{worker.row.name}/")
    assert hopeless.errors[0].exception_class is ValueError
    expect_once(["retried", "urgent"])
    # The lines are written after the outcomes.
    succeeded = f"Task {probe.give_back_async.module_path}[{in_time.id}] succeeded"
    failed = f"id={hopeless.id} path={probe.fail.module_path} state=FAILED"
    wait_until(lambda: succeeded in worker.text and failed in worker.text, 60)
