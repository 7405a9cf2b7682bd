"""Pausing a queue under load, and stopping a worker softly, with real workers and brokers."""

import datetime as dt

import pytest

import neural
from neural.broker.publisher import publisher
from neural.ledger.clock import database_clock
from neural.models import RunState, TaskRun
from neural.queues.pausing import pause, pauses, resume
from tests.integration.cluster import PATIENT, Cluster, expect_once, wait_for_runs
from tests.integration.submitting import names, request, submit, submit_together
from tests.watching import wait_until

pytestmark = pytest.mark.integration

SOON = 150
LEASED = {"republish_seconds": 600, "republish_lease_seconds": 600, **PATIENT}
"""Settings with which a message that was dropped comes again much later than soon."""


@pytest.fixture(autouse=True)
def leased(settings):
    settings.NEURAL = {**settings.NEURAL, **LEASED}


def started_on_default() -> set[str]:
    """Runs of the queue that were ever claimed."""
    runs = TaskRun.objects.filter(queue="default", started_at__isnull=False)
    return set(runs.values_list("task_id", flat=True))


def show_that_workers_work(cluster: Cluster, key: str) -> None:
    """Wait until a run of another queue, submitted now, is done."""
    neural.submit(**request(key), queue="high_priority")
    wait_for_runs(event__event_id=key, seconds=180)


@pytest.mark.parametrize("kind", ["probe.counted", "probe.two_step"])
def test_nothing_of_a_paused_queue_starts_whatever_is_restarted_and_then_everything_is_done(
    cluster, kind
):
    worker = cluster.worker(**LEASED)
    submit_together(names("before", 150), kind=kind)
    wait_until(started_on_default, 150)

    pause(queue="default", reason="repairs", by="lee")
    begun = started_on_default()
    submit_together(names("during", 30), kind=kind)
    show_that_workers_work(cluster, "urgent1")
    assert worker.stop() == 0
    cluster.broker.kill()
    cluster.broker.start()
    publisher().close()  # what it sends over the connection that is gone would not arrive
    cluster.worker(**LEASED)
    show_that_workers_work(cluster, "urgent2")

    assert started_on_default() == begun
    assert TaskRun.objects.filter(queue="default", state=RunState.PENDING).count() >= 30
    resume(queue="default", by="lee")
    wait_for_runs(seconds=SOON)
    expect_once([*names("before", 150), *names("during", 30), "urgent1", "urgent2"])


def test_a_pause_that_ends_by_itself_leaves_nothing_waiting_for_the_lease_of_its_message(cluster):
    cluster.worker(**LEASED)
    pause(
        queue="default",
        reason="repairs",
        by="lee",
        until=database_clock() + dt.timedelta(seconds=5),
    )
    for key in names("run", 5):
        submit(key, kind="probe.two_step")

    wait_for_runs(seconds=SOON)

    expect_once(names("run", 5))
    wait_until(lambda: not pauses().exists())


@pytest.mark.parametrize("broker", ["up", "down"])
def test_a_worker_that_is_asked_to_stop_finishes_its_run_or_hands_it_back_uncounted(
    cluster, broker
):
    worker = cluster.worker(concurrency=1)
    submit("held", kind="probe.two_step", gate="open")
    cluster.wait_for_start("held")
    if broker == "down":
        cluster.broker.kill()

    assert worker.row.ask_to_stop(by="lee")
    wait_until(lambda: "event=stop_asked" in worker.text, 30)
    cluster.open_gate("open")

    assert worker.process.wait(60) == 0
    row = worker.row
    assert row.stopped_at
    assert row.memory_bytes > 1_000_000
    assert row.versions["python"]
    if broker == "down":
        cluster.broker.start()
    cluster.worker(concurrency=1)
    wait_for_runs()
    run = TaskRun.objects.get()
    assert (run.losses, run.failures) == (0, 0)
    assert TaskRun.objects.get().state == RunState.SUCCEEDED
