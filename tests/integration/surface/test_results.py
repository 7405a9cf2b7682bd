"""AsyncResult of what real workers do: ledger tasks and plain ones, on each result backend."""

import pytest
from billiard.exceptions import WorkerLostError
from celery import Celery, states
from celery.result import AsyncResult
from django_celery_results.models import TaskResult
from kombu import Exchange, Queue

from tests.integration.cluster import wait_for_runs
from tests.probe import tasks
from tests.probe.acting import Failing
from tests.probe.canvas import add, ask_for_others, fail, hang, plain_add, plain_asks, plain_fail
from tests.watching import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("results", ["django-db", "redis"], indirect=True),
]


def test_values_errors_and_tracebacks_of_ledger_and_plain_tasks(surface):
    surface.worker()

    for task, failing in ((add, fail), (plain_add, plain_fail)):
        assert task.delay(1, 2).get(timeout=60) == 3
        failed = failing.delay("what")
        with pytest.raises(Failing, match="what"):
            failed.get(timeout=60)
        assert failed.state == states.FAILURE
        assert "canvas.py" in failed.traceback
    assert not TaskResult.objects.filter(task_name__in=["probe.add", "probe.fail"]).exists()


def test_the_states_of_a_run_as_it_goes(surface):
    result = hang.delay("key", seconds=230)
    assert result.state == states.PENDING
    surface.worker()

    surface.cluster.wait_for_start("key")
    assert result.state == states.STARTED
    surface.cluster.open_gate("go-key")
    assert result.get(timeout=60) == "done"
    assert result.state == states.SUCCESS


def test_a_run_that_waits_for_its_retry_says_so(surface):
    surface.worker(retry_base_seconds=600, retry_cap_seconds=600)
    result = tasks.count.delay(key="k", fail_times=1)

    wait_until(lambda: result.state == states.RETRY, 60)
    assert str(result.result) == "failure 1 of 1"


def test_children_of_ledger_and_plain_tasks(surface):
    surface.worker()
    parent, plain_parent = ask_for_others.delay(), plain_asks.delay()

    assert sorted(parent.get(timeout=60)) == sorted(child.id for child in parent.children)
    assert [child.get(timeout=60) for child in parent.children] == [0, 1]
    asked = plain_parent.get(timeout=60)  # before it has stored its result it has no children
    assert [child.id for child in plain_parent.children] == [asked]
    assert plain_parent.children[0].get(timeout=60) == 2


@pytest.mark.faults
def test_a_poisons_result_is_worker_lost_error(surface):
    surface.worker(max_lost_deliveries=1)
    result = tasks.count_in_two_steps.delay(key="k", kill_times=9)

    with pytest.raises(WorkerLostError, match="its process died"):
        result.get(timeout=60)


@pytest.mark.parametrize(
    ("task", "pool"),
    [("probe.count", "prefork"), ("probe.count", "async"), ("probe.count_async", "async")],
)
def test_a_plain_client_reads_its_result_in_redis_also_after_a_retry(surface, results, task, pool):
    """It has no database; Redis is all it knows."""
    if results == "django-db":
        pytest.skip("a client without Django cannot read django-celery-results")
    plain = Celery(broker=surface.cluster.broker.url, backend=results, set_as_current=False)
    plain.conf.task_queues = [Queue("default", Exchange("default"), routing_key="default")]
    surface.worker(pool=pool)

    sent = plain.send_task(
        task,
        kwargs={"key": "k", "fail_times": 1},
        queue="default",
        ignore_result=False,
    )

    wait_for_runs(task_id=sent.id)
    assert AsyncResult(sent.id, app=plain).get(timeout=60).endswith("done")
    plain.close()
