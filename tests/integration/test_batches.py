"""kill -9 at each step of a batch: it ends once, with all of its members."""

import pytest
from celery import chain

import neural
from neural.models import Batch, TaskRun
from tests.integration.cluster import wait_for_runs
from tests.probe import canvas
from tests.probe.models import Effect
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.sqlite, pytest.mark.takes(seconds=10)]

QUICK = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 3}
MEMBERS = 5


def expect_ended_once(batch_id):
    wait_until(lambda: Batch.objects.filter(batch_id=batch_id, state="ended").exists(), 150)
    wait_for_runs()
    assert TaskRun.objects.filter(task=canvas.add.name, batch__batch_id=batch_id).count() == MEMBERS
    assert dict(Effect.counts()) == {f"complete:{batch_id}": 1}


@pytest.mark.faults
@pytest.mark.parametrize(
    "place",
    [
        "neural.batches.recording:add:after",
        "neural.batches.ending:close:before",
        "neural.batches.ending:end_if_complete:before",
        "neural.batches.ending:_end:before",
        "neural.batches.ports:start_what_follows:before",
        "neural.batches.ports:start_what_follows:after",
        "neural.batches.ending:_end:after",
    ],
)
def test_a_batch_whose_process_is_killed_ends_once(cluster, place):
    cluster.worker(concurrency=1, environment={"PROBE_KILL": place}, **QUICK)
    canvas.fill_batch.delay("night", MEMBERS)
    wait_until((cluster.marks / "killed").exists, 150)

    cluster.worker(concurrency=1, **QUICK)

    expect_ended_once("night")


def test_beside_an_old_worker_a_new_one_ends_the_batch(cluster):
    cluster.worker(environment={"PROBE_OLD": "1"})
    with neural.batch(batch_id="night", on_complete=canvas.note.s("complete")) as batch:
        batch.add_all(canvas.add.s(number, 1) for number in range(MEMBERS))
    wait_for_runs()
    assert Batch.objects.get().state == "closed"

    cluster.worker()

    expect_ended_once("night")


def test_plain_tasks_and_chains_are_members_beside_ledger_tasks(cluster):
    with neural.batch(batch_id="night", on_complete=canvas.note.s("complete")) as batch:
        batch.add(canvas.add.s(1, 2))
        batch.add(canvas.plain_add.s(1, 2))
        batch.add(canvas.plain_fail.s())
        batch.add(chain(canvas.add.s(1, 2), canvas.add.s(3)))
        batch.add(chain(canvas.plain_add.s(1, 2), canvas.add.s(3)))
        batch.add(chain(canvas.add.s(1, 2), canvas.plain_add.s(3)))

    cluster.worker()

    wait_until(lambda: Batch.objects.filter(state="ended").exists(), 150)
    assert batch.counts() == {"succeeded": 5, "dead": 1}
    wait_for_runs()
    assert dict(Effect.counts()) == {"complete:night": 1}
