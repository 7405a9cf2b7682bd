"""Revoking runs and plain tasks, from Python and from the command line."""

import pytest
from celery import current_app, states
from celery.exceptions import TaskRevokedError

from neural.models import RunState, TaskRun
from tests.integration.cluster import wait_for_runs, within
from tests.probe.canvas import add, hang, plain_hang
from tests.probe.models import Effect
from tests.watching import is_alive, wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize(
        ("own_broker_server", "results"),
        [
            ("own", "django-db"),
            ("own", "redis"),
            pytest.param("rabbitmq", "django-db", marks=pytest.mark.rabbitmq),
        ],
        indirect=True,
    ),
]


def test_a_revoked_run_that_waits_is_never_run(surface):
    result = add.delay(1, 1)
    result.revoke()
    surface.worker()
    add.delay(2, 2).get(timeout=60)

    assert result.state == states.REVOKED
    with pytest.raises(TaskRevokedError):
        result.get(timeout=10)


def test_revoked_with_terminate_a_run_under_way_ends_and_leaves_nothing(surface):
    worker = surface.worker(concurrency=1)
    result = hang.delay("key", seconds=100)
    process = surface.cluster.wait_for_start("key")

    result.revoke(terminate=True)

    assert TaskRun.objects.get().state == RunState.CANCELLED
    wait_until(lambda: not is_alive(process), 30)
    assert add.delay(1, 1).get(timeout=60) == 2  # the pool has a new process
    assert not Effect.objects.exists()
    assert TaskRun.objects.get(task_id=result.id).losses == 0
    assert worker.is_running


def test_without_terminate_a_run_under_way_goes_on_as_in_celery(surface):
    surface.worker()
    result = hang.delay("key")
    surface.cluster.wait_for_start("key")

    result.revoke()
    surface.cluster.open_gate("go-key")

    assert result.get(timeout=60) == "done"


def test_plain_tasks_are_revoked_as_usual(surface):
    surface.worker(concurrency=1)
    running = plain_hang.delay("running", seconds=100)
    process = surface.cluster.wait_for_start("running")

    running.revoke(terminate=True)

    wait_until(lambda: not is_alive(process), 30)
    assert add.delay(1, 1).get(timeout=60) == 2


def test_the_command_line_cancels_a_run_that_waits_and_a_person_may_retry_it(surface):
    surface.worker(concurrency=1)
    hang.delay("first", seconds=230)
    surface.cluster.wait_for_start("first")
    waiting = add.delay(1, 1)

    surface.ask("control", "revoke", waiting.id)

    wait_for_runs(task_id=waiting.id, state=RunState.CANCELLED)
    surface.cluster.open_gate("go-first")
    assert TaskRun.objects.get(task_id=waiting.id).retry()
    assert current_app.AsyncResult(waiting.id).get(timeout=60) == 2


def test_the_command_line_ends_a_run_under_way(surface):
    surface.worker(concurrency=1)
    result = hang.delay("key", seconds=100)
    process = surface.cluster.wait_for_start("key")

    surface.ask("control", "terminate", "SIGTERM", result.id)

    wait_for_runs(task_id=result.id, state=RunState.CANCELLED)
    wait_until(lambda: not is_alive(process), 30)
    assert not within(3, lambda: len(surface.cluster.starts("key")) > 1)
