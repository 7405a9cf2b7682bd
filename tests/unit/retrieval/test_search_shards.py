"""Shards of indexing: what each takes, how long it goes on, and for whom it makes room."""

import pytest

from neural.ledger import claim
from neural.ledger.work import Snooze, current
from neural.models import RunState, WorkerProcess
from neural.retrieval.index.scheduling import INDEX_TASK
from neural.retrieval.models import IndexShard, OutboxEntry
from neural.tasks import index_marked
from tests.unit.admin import admin_world as world
from tests.unit.retrieval.searching import active, titles, to_outbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("search_on")]


def test_when_its_time_is_up_it_makes_room_and_goes_on(guests, settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2, "index_run_seconds": 1e-6}
    to_outbox(*(guests.put(str(number), title="x") for number in range(5)))

    with pytest.raises(Snooze) as snoozed:
        index_marked(shard=0)

    assert snoozed.value.seconds == 0
    assert snoozed.value.checkpoint["indexed"] == 2
    assert OutboxEntry.objects.waiting().count() == 3


def test_shards_share_what_is_too_much_for_one_batch(guests, settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2}
    to_outbox(*(guests.put(str(number), title="x") for number in range(20)))

    second = index_marked(shard=1)["indexed"]
    first = index_marked(shard=0)["indexed"]

    assert (first, second) == (10, 10)


def test_a_pass_ends_after_a_batch_when_others_want_its_process(guests, settings, monkeypatch):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2}
    monkeypatch.setattr("neural.retrieval.index.scheduling.others_wait", lambda **kind: True)
    to_outbox(*(guests.put(str(number), title="x") for number in range(20)))

    assert index_marked(shard=0)["indexed"] == 2
    assert OutboxEntry.objects.waiting().count() == 18


def test_the_first_shard_takes_the_shares_of_all_where_it_is_at_work_alone(guests, settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2}
    to_outbox(*(guests.put(str(number), title="x") for number in range(20)))

    assert index_marked(shard=0)["indexed"] == 20


@pytest.mark.parametrize(("shard", "priority", "indexed"), [(0, 1, 4), (0, 5, 2), (1, 1, 2)])
def test_the_first_shard_ends_for_what_is_no_less_urgent_and_the_others_for_any_work(
    guests, settings, monkeypatch, shard, priority, indexed
):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2}
    monkeypatch.setattr(claim, "_worker", WorkerProcess(queues=["default", "low_priority"]))
    to_outbox(*(guests.put(str(number), title="x") for number in range(4 * (1 + shard))))
    own = world.run(RunState.RUNNING, task_id="mine", task=INDEX_TASK, queue="default", priority=5)
    world.run(task_id="other", queue="low_priority", priority=priority)
    token = current.set(own)

    try:
        assert index_marked(shard=shard)["indexed"] == indexed
    finally:
        current.reset(token)


def test_the_first_shard_leaves_their_shares_to_others_that_are_at_work(guests):
    run = world.run(RunState.PENDING, task_id="of shard 1")
    IndexShard.objects.create(history=False, number=1, task_id=run.task_id)
    to_outbox(*(guests.put(str(number), title="x") for number in range(4)))

    shared = index_marked(shard=0)["indexed"]
    run.cancel()
    left = index_marked(shard=0)["indexed"]

    assert (shared, left) == (2, 2)


def test_history_waits_behind_and_has_shards_of_its_own(guests):
    to_outbox(guests.put("1", title="old"), history=True)
    to_outbox(guests.put("2", title="live"))

    index_marked(shard=0)
    assert titles(active()) == {"S1/2": "live"}
    index_marked(shard=0, history=True)
    assert titles(active()) == {"S1/1": "old", "S1/2": "live"}
