"""Gaps: what a worker with another model writes is completed by one that has the index's."""

import pytest

from neural.ledger.work import Snooze
from neural.models import TaskRun
from neural.retrieval.index import indexing, writing
from neural.retrieval.index.active import active_index
from neural.retrieval.index.indexing import fill_gaps, index_entries
from neural.retrieval.index.rebuilding import open_rebuild, rebuild
from neural.retrieval.index.scheduling import schedule_indexing
from neural.retrieval.models import OutboxEntry, SearchRow
from neural.tasks import index_marked, tend_search_indexes
from tests.unit.retrieval.searching import MemoryStore, active, titles

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("search_on", "fake_broker", "just_begun"),
]


@pytest.fixture
def just_begun(look_again):
    """What processes say or do once is said and done anew."""
    writing._log_gaps.cache_clear()
    look_again()


@pytest.fixture
def look_again(monkeypatch):
    """Lets the next look for gaps be as the first one of a process."""
    return lambda: monkeypatch.setattr(indexing, "_looked_at", -indexing.LOOKED_EVERY)


@pytest.fixture
def worker(settings):
    """Lets a worker with the settings of this model do what waits."""

    def work(model, *, history=True):
        settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": model}}
        for shard_of_history in (False, *([True] if history else ())):
            for _ in range(20):
                try:
                    index_marked(shard=0, history=shard_of_history)
                    break
                except Snooze:
                    pass

    return work


def change(guests, number, title):
    OutboxEntry.objects.append("guests", [guests.put(str(number), title=title)])


def gaps():
    return SearchRow.objects.filter(lacks_vectors=True)


def without_vectors(index):
    return {key for key, row in MemoryStore.kept[index.table].items() if not row.vectors}


def test_what_a_worker_with_another_model_changed_has_its_vectors_again(guests, worker):
    for number in range(25):
        change(guests, number, "old")
    worker("tiny")
    for number in range(25):
        change(guests, number, "new")

    worker("other")

    assert len(without_vectors(active())) == 25  # found by words at once
    assert gaps().count() == 25
    worker("tiny")
    assert without_vectors(active()) == set()
    assert set(titles(active()).values()) == {"new"}
    assert not gaps().exists()


def test_workers_of_two_models_in_turn_leave_no_record_without_vectors(guests, worker):
    """There and back, with changes at every step, and the worker of the one completing what the
    other has just changed once more."""
    for step in range(6):
        for number in range(step, step + 5):
            change(guests, number, f"step {step}")
        worker("tiny" if step % 2 == 0 else "other")

    worker("tiny")

    assert without_vectors(active()) == set()
    assert len(titles(active())) == 10
    assert active().embedder == "tiny"


def test_a_worker_that_cannot_complete_a_record_leaves_it_to_one_that_can(guests, worker):
    change(guests, 1, "first")
    worker("tiny")
    change(guests, 1, "second")
    for _ in range(3):
        worker("other")

    assert gaps().count() == 1
    assert without_vectors(active()) == {"S1/1"}


def test_of_a_record_that_changes_again_and_again_one_gap_is_kept(guests, worker):
    change(guests, 1, "first")
    worker("tiny")
    for number in range(5):
        change(guests, 1, f"changed {number}")
        worker("other")

    assert gaps().count() == 1


def test_what_is_changed_while_its_gap_is_filled_keeps_a_gap(guests, worker, settings):
    change(guests, 1, "first")
    worker("tiny")
    change(guests, 1, "second")
    worker("other")

    def the_other_worker_is_in_between():
        MemoryStore.before_write = None
        settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "other"}}
        change(guests, 1, "third")
        index_entries("guests", list(OutboxEntry.objects.all()))

    settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "tiny"}}
    MemoryStore.before_write = the_other_worker_is_in_between
    fill_gaps(10)

    assert gaps().count() == 1
    worker("tiny")
    assert (titles(active()), without_vectors(active())) == ({"S1/1": "third"}, set())


def test_killed_before_a_row_is_written_its_gap_is_filled_all_the_same(guests, worker):
    change(guests, 1, "first")
    worker("tiny")
    change(guests, 1, "second")

    def killed():
        raise SystemExit

    MemoryStore.before_write = killed
    with pytest.raises(SystemExit):
        worker("other")
    MemoryStore.before_write = None
    worker("tiny")

    assert (titles(active()), without_vectors(active())) == ({"S1/1": "second"}, set())
    assert not gaps().exists()


def test_both_indexes_are_completed_while_one_of_another_model_is_built(guests, worker):
    change(guests, 1, "first")
    worker("tiny")
    worker("other")
    building = open_rebuild("guests").index
    change(guests, 1, "second")
    worker("tiny")
    change(guests, 2, "by the other")
    worker("other")
    worker("tiny")

    for index in (active(), building):
        assert without_vectors(index) == set()
        assert titles(index) == {"S1/1": "second", "S1/2": "by the other"}


def test_with_the_new_index_the_gaps_of_the_old_one_are_forgotten(guests, worker):
    change(guests, 1, "first")
    worker("tiny")
    change(guests, 1, "second")
    worker("other")
    rebuild(index_id=open_rebuild("guests").index.pk)

    tend_search_indexes()

    assert active().embedder == "other"
    assert without_vectors(active()) == set()
    assert not indexing.has_gaps()


def test_a_gap_of_a_record_that_cannot_be_written_is_told_and_holds_up_no_other(
    guests, worker, monkeypatch
):
    for number in range(3):
        change(guests, number, "odd" if number == 1 else "sound")
    worker("tiny")
    for number in range(3):
        change(guests, number, "odd" if number == 1 else "sound")
    worker("other")
    tokens_of = writing.tokens_of
    broken = lambda document: 1 / 0 if document.title == "odd" else tokens_of(document)  # noqa: E731
    monkeypatch.setattr("neural.retrieval.index.writing.tokens_of", broken)

    worker("tiny")

    assert without_vectors(active()) == {"S1/1"}
    assert not gaps().exists()
    assert OutboxEntry.objects.refused().get().key == "S1/1"


def test_a_relay_that_has_the_model_asks_for_a_run_and_not_every_second(
    guests, worker, settings, look_again
):
    change(guests, 1, "first")
    worker("tiny")
    change(guests, 1, "second")
    worker("other")
    schedule_indexing()
    assert not TaskRun.objects.exists()  # this one has it not
    look_again()
    settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "tiny"}}

    for _ in range(2):
        schedule_indexing()
        for run in TaskRun.objects.filter(state="pending"):
            run.cancel()

    asked = TaskRun.objects.get()
    assert (asked.queue, asked.kwargs) == ("low_priority", {"shard": 0, "history": True})


def test_it_is_told_where_people_search_and_in_the_log(guests, worker, settings, caplog):
    change(guests, 1, "first")
    worker("tiny")
    change(guests, 1, "second")
    worker("other")
    change(guests, 2, "third")
    worker("other")
    settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "tiny"}}

    (notice,) = active_index("guests").notices

    assert "has 2 records without their meaning" in notice
    assert "another model than tiny" in notice
    assert caplog.text.count("event=index_of_another_model") == 1
    worker("tiny")
    assert active_index("guests").notices == ()
