"""An old worker beside a new one: what the old one does not know, the new one does."""

import pytest
from celery import Celery
from kombu import Exchange, Queue

from neural.models import TaskRun
from tests.integration.cluster import expect_once, wait_for_runs
from tests.integration.submitting import names, submit
from tests.probe import tasks
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]


def test_beside_an_old_worker_all_that_came_with_the_new_version_is_done_once(cluster):
    """A new handler, a new type of an old handler, a new task, and that of a plain client."""
    old = cluster.start_worker(environment={"PROBE_OLD": "1"})
    new = cluster.start_worker()
    for worker in (old, new):
        worker.wait_until_ready()
    handled, typed, called = names("handler", 40), names("type", 10), names("task", 10)

    for key in handled:
        submit(key, kind="probe.upgraded")
    for key in typed:
        submit(key, kind="probe.new_type")
    for key in called:
        tasks.new_task.delay(key=key)
    plain = plain_client(cluster)
    for key in names("plain", 4):
        plain.send_task("probe.new_task", kwargs={"key": key}, queue="default")

    wait_until(lambda: TaskRun.objects.count() == 64, 120)
    wait_for_runs(seconds=120)
    expect_once([*handled, *typed, *called, *names("plain", 4)])
    assert not TaskRun.objects.exclude(failures=0, losses=0).exists()
    assert not {"probe.new_handler", "probe.new_task"} & known(old), "it was no old worker"
    assert {"probe.new_handler", "probe.new_task"} <= known(new)


def known(worker) -> set[str]:
    said = worker.row.registered
    return {*said["handlers"], *said["tasks"]}


def plain_client(cluster) -> Celery:
    client = Celery(broker=cluster.broker.url, set_as_current=False)
    client.conf.task_queues = [Queue("default", Exchange("default"), routing_key="default")]
    return client
