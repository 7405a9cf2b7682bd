"""Rebuilding: a new index is filled in slices while the old one is searched, then takes over."""

import datetime as dt

import pytest
from django.core.management import CommandError
from django.db.models.functions import Now
from django.utils import timezone

from neural.health.situation import Situation
from neural.models import RunState, TaskRun
from neural.retrieval.collections.registry import CollectionUnknown
from neural.retrieval.conf import conf
from neural.retrieval.health import search_index
from neural.retrieval.index import indexing, scheduling, writing
from neural.retrieval.index.compaction import compact_search_indexes
from neural.retrieval.index.indexing import index_entries
from neural.retrieval.index.lag import why_nobody_builds_it
from neural.retrieval.index.rebuilding import REBUILD_TASK, SettingsChanged, open_rebuild, rebuild
from neural.retrieval.index.scheduling import schedule_indexing
from neural.retrieval.management.commands.rebuild_index import wait
from neural.retrieval.models import (
    IndexState,
    IngestedRecord,
    OutboxEntry,
    SearchIndex,
    SearchRow,
)
from neural.retrieval.query.searching import search
from neural.retrieval.stores.base import StoreUnavailable
from neural.tasks import index_marked, rebuild_search_index
from neural.worker.in_process import work_here
from tests.unit.retrieval.searching import MemoryStore, titles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("search_on", "fake_broker")]


@pytest.fixture
def old(guests):
    """An index with one record, and ten in the database."""
    for number in range(10):
        guests.put(f"{number:02}", title=f"Guest {number}")
    OutboxEntry.objects.append("guests", ["S1/00"])
    index_marked(shard=0)
    return SearchIndex.objects.active().get(collection="guests")


@pytest.fixture
def in_slices(settings):
    """A page of two records a slice."""
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2, "index_run_seconds": 1e-6}


def run_slice():
    """One attempt of the run that builds; it may put itself off to the next."""
    return next(work_here([REBUILD_TASK]), None)


def test_all_records_are_in_the_new_index_which_is_then_searched(guests, old):
    opened = open_rebuild("guests", requested_by="anna")
    assert (opened.is_new, opened.index.records_total) == (True, 10)

    run_slice()

    new = SearchIndex.objects.active().get(collection="guests")
    assert new.pk == opened.index.pk
    assert len(titles(new)) == 10
    assert (new.records_done, new.records_total, new.left_out) == (10, 10, 0)
    assert (new.rows, new.requested_by) == (10, "anna")
    old.refresh_from_db()
    assert (old.state, old.ended_at is not None) == (IndexState.RETIRED, True)
    run = TaskRun.objects.get(task=REBUILD_TASK)
    assert run.result["state"] == "active"
    assert (run.queue, run.requested_by) == ("low_priority", "anna")


def test_until_then_the_old_one_is_searched(guests, old, in_slices):
    index = open_rebuild("guests").index

    run_slice()

    index.refresh_from_db()
    assert (index.state, index.records_done) == (IndexState.BUILDING, 2)
    assert SearchIndex.objects.active().get(collection="guests") == old
    for _ in range(6):
        run_slice()
    assert SearchIndex.objects.active().get(collection="guests") == index
    assert len(titles(index)) == 10


def test_what_changes_meanwhile_is_in_both(guests, old, in_slices):
    index = open_rebuild("guests").index
    run_slice()
    OutboxEntry.objects.append("guests", [guests.put("00", title="changed")])
    OutboxEntry.objects.append("guests", [guests.put("09", title="changed too")])
    index_entries("guests", list(OutboxEntry.objects.order_by("pk")))
    assert titles(old)["S1/00"] == "changed"

    for _ in range(6):
        run_slice()

    found = titles(index)
    assert (found["S1/00"], found["S1/09"]) == ("changed", "changed too")


def test_a_page_that_was_read_before_a_change_does_not_undo_it(guests, old):
    index = open_rebuild("guests").index

    def change():
        guests.on_load = None
        MemoryStore.before_write = after_load

    def after_load():
        MemoryStore.before_write = None
        OutboxEntry.objects.append("guests", [guests.put("03", title="changed")])
        index_entries("guests", list(OutboxEntry.objects.all()))

    guests.on_load = change
    run_slice()

    assert titles(index)["S1/03"] == "changed"


def test_a_record_that_goes_while_its_page_is_written_is_not_found_afterwards(guests, old):
    index = open_rebuild("guests").index

    def go():
        MemoryStore.before_write = None
        del guests.records["S1/03"]
        OutboxEntry.objects.append("guests", ["S1/03"])
        index_entries("guests", list(OutboxEntry.objects.all()))

    MemoryStore.before_write = go
    run_slice()
    index_marked(shard=0, history=True)

    assert "S1/03" not in titles(index)
    assert len(titles(index)) == 9
    assert not OutboxEntry.objects.exists()


def test_what_an_event_overtakes_while_its_page_is_written_does_not_come_back(guests, old):
    at = timezone.now() - dt.timedelta(hours=1)
    data = {"id": "03", "store_id": "S1", "title": "ingested"}
    IngestedRecord.objects.create(collection="guests", key="S1/03", data=data, ingested_at=at)
    index = open_rebuild("guests").index
    writes = []

    def overtake():
        writes.append(1)
        if len(writes) == 2:  # the page of what was ingested; an event's run began before it
            MemoryStore.before_write = None
            then = SearchRow.objects.get(index=index, key="S1/03").version
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(indexing, "version_now", lambda: then)
                OutboxEntry.objects.append("guests", ["S1/03"])
                index_entries("guests", list(OutboxEntry.objects.all()))

    MemoryStore.before_write = overtake
    run_slice()
    index_marked(shard=0, history=True)

    assert titles(index)["S1/03"] == "Guest 3"
    assert not IngestedRecord.objects.exists()


def test_what_was_ingested_is_in_the_new_index_too(guests, old, in_slices):
    for number in range(3):
        IngestedRecord.objects.create(
            collection="guests", key=f"S2/{number}", data={"id": str(number), "title": "ingested"}
        )
    index = open_rebuild("guests").index
    assert index.records_total == 13

    for _ in range(9):
        run_slice()

    assert SearchIndex.objects.active().get(collection="guests") == index
    assert len(titles(index)) == 13


def test_a_second_one_joins_the_first(guests, old):
    first, second = open_rebuild("guests"), open_rebuild("guests")

    assert (first.index.pk, first.is_new) == (second.index.pk, True)
    assert not second.is_new
    assert TaskRun.objects.filter(task=REBUILD_TASK).count() == 1


def test_two_runs_of_one_building_are_no_harm(guests, old, in_slices):
    index = open_rebuild("guests").index
    mine = SearchIndex.objects.get(pk=index.pk)
    assert mine.advance(cursor="stored:S1/01", done=2)
    theirs = SearchIndex.objects.get(pk=index.pk)
    assert theirs.advance(cursor="stored:S1/03", done=2)

    assert not mine.advance(cursor="stored:S1/03", done=2)
    for _ in range(6):
        run_slice()
    index.refresh_from_db()
    assert index.records_done == 10


def test_killed_in_between_it_goes_on_where_it_was(guests, old, in_slices):
    index = open_rebuild("guests").index
    run_slice()

    def killed():
        MemoryStore.before_write = None
        raise SystemExit

    MemoryStore.before_write = killed
    with pytest.raises(SystemExit):
        rebuild(index_id=index.pk)
    rebuild(index_id=index.pk)

    index.refresh_from_db()
    assert (index.state, index.records_done) == (IndexState.ACTIVE, 10)


def test_after_a_lost_process_it_goes_on_with_smaller_pages(guests, old, settings):
    """The process may have lacked memory."""
    settings.NEURAL = {**settings.NEURAL, "index_batch": 8, "index_run_seconds": 1e-6}
    index = open_rebuild("guests").index
    TaskRun.objects.filter(task=REBUILD_TASK).update(losses=1)

    run_slice()

    index.refresh_from_db()
    assert index.records_done == 2


def test_a_building_whose_run_is_dead_says_so_and_goes_on_when_asked_again(guests, old, in_slices):
    index = open_rebuild("guests").index
    run_slice()
    index.refresh_from_db()
    assert why_nobody_builds_it(index) == ""
    TaskRun.objects.filter(task=REBUILD_TASK).update(
        state=RunState.DEAD, error="given up as poison", finished_at=Now()
    )

    assert "(given up as poison)" in why_nobody_builds_it(index)
    with pytest.raises(CommandError, match=r"given up as poison.*goes on where it stopped"):
        wait(index.pk, work_here_too=True)

    assert open_rebuild("guests").index.pk == index.pk
    index.refresh_from_db()
    assert (index.records_done, why_nobody_builds_it(index)) == (2, "")


def test_a_record_that_cannot_be_read_is_told_once_and_the_others_are_in(guests, old):
    guests.put("05", title="bad")
    for _ in range(2):
        index = open_rebuild("guests").index
        run_slice()

    assert len(titles(index)) == 9
    refused = OutboxEntry.objects.refused().get()
    assert (refused.key, refused.error) == ("S1/05", "guests: record '05' is bad")


def test_a_record_that_no_code_foresaw_holds_up_no_rebuild(guests, old, monkeypatch):
    guests.put("05", title="odd")
    tokens_of = writing.tokens_of
    odd = lambda document: 1 / 0 if document.title == "odd" else tokens_of(document)  # noqa: E731
    monkeypatch.setattr(writing, "tokens_of", odd)
    index = open_rebuild("guests").index

    run_slice()

    index.refresh_from_db()
    assert (index.state, len(titles(index))) == (IndexState.ACTIVE, 9)
    assert OutboxEntry.objects.refused().get().error == "ZeroDivisionError: division by zero"


def test_one_that_was_given_up_ends(guests, old, in_slices):
    index = open_rebuild("guests").index
    run_slice()
    index.refresh_from_db()

    assert index.cancel()
    run_slice()

    assert TaskRun.objects.get(task=REBUILD_TASK).result["state"] == "cancelled"
    assert SearchIndex.objects.active().get(collection="guests") == old


def test_an_index_that_was_given_up_does_not_take_over(guests, old):
    index = open_rebuild("guests").index
    SearchIndex.objects.get(pk=index.pk).cancel()

    assert not index.activate()
    assert SearchIndex.objects.active().get(collection="guests") == old


def test_settings_that_change_meanwhile_end_it_with_what_to_do(guests, old, in_slices, settings):
    index = open_rebuild("guests").index
    run_slice()
    settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "other"}}

    with pytest.raises(SettingsChanged, match=r"run manage\.py rebuild_index guests"):
        rebuild_search_index(index.pk)

    index.refresh_from_db()
    assert index.state == IndexState.CANCELLED


def test_after_a_change_of_model_a_rebuilt_index_has_vectors_again(guests, old, settings):
    settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "other"}}

    index = open_rebuild("guests").index
    run_slice()

    index.refresh_from_db()
    assert (index.state, index.embedder) == (IndexState.ACTIVE, "other")
    assert all(row.vectors for row in MemoryStore.kept[index.table].values())


def test_an_empty_collection_has_an_empty_index(guests):
    index = open_rebuild("guests").index

    run_slice()

    index.refresh_from_db()
    assert (index.state, titles(index)) == (IndexState.ACTIVE, {})


def test_an_unknown_collection_cannot_be_rebuilt():
    with pytest.raises(CollectionUnknown):
        open_rebuild("recipes")


# Compaction


def test_every_index_is_compacted_and_its_size_noted(guests, old):
    told = compact_search_indexes()

    old.refresh_from_db()
    assert told == {"rows": {"guests": 1}, "dropped": 0}
    assert MemoryStore.compacted == [old.table]
    assert (old.rows, old.bytes) == (1, 100)
    assert old.compacted_at


def test_an_index_that_cannot_be_compacted_keeps_none_of_the_others_from_it(
    guests, old, monkeypatch
):
    compact = MemoryStore.compact

    def compact_new(self, table):
        if table == old.table:
            raise StoreUnavailable("a page is damaged")
        return compact(self, table)

    index = open_rebuild("guests").index
    MemoryStore.kept[index.table] = {}
    monkeypatch.setattr(MemoryStore, "compact", compact_new)
    with pytest.raises(StoreUnavailable, match="damaged"):
        compact_search_indexes()

    assert MemoryStore.compacted == [index.table]


def test_replaced_tables_are_dropped_when_nobody_can_be_reading_them_any_more(guests, old):
    open_rebuild("guests")
    run_slice()
    assert old.table in MemoryStore.kept
    SearchIndex.objects.filter(pk=old.pk).update(ended_at=timezone.now() - dt.timedelta(minutes=11))

    assert compact_search_indexes()["dropped"] == 1

    assert old.table not in MemoryStore.kept
    assert compact_search_indexes()["dropped"] == 0


def test_tables_of_others_in_the_same_store_are_left_alone(guests, old):
    MemoryStore.kept["somebody_elses"] = {}

    compact_search_indexes()

    assert "somebody_elses" in MemoryStore.kept


@pytest.fixture(params=["lancedb", "pgvector", "sqlite"])
def of_an_older_release(request, guests, monkeypatch):
    """An index whose vectors are in a store that is not there any more."""
    monkeypatch.setattr(scheduling, "is_time_to_look", lambda: True)
    guests.put("1", title="Anna")
    OutboxEntry.objects.append("guests", ["S1/1"])
    index_marked(shard=0)
    index = SearchIndex.objects.active().get(collection="guests")
    MemoryStore.forget()
    SearchIndex.objects.update(token_form=4, store_kind=request.param)
    return index


def test_an_index_of_an_older_release_is_rebuilt_by_the_workers_themselves(
    guests, of_an_older_release
):
    def doctor():
        return search_index(Situation()).found

    assert "made by an older release: the workers build it anew" in doctor()
    schedule_indexing()
    guests.put("2", title="Berta")  # by somebody, meanwhile
    OutboxEntry.objects.append("guests", ["S1/2"])
    index_marked(shard=0)
    assert [hit.id for hit in search("Berta", "guests")] == ["2"]
    assert "the workers build it anew" in doctor()
    schedule_indexing()
    run_slice()

    new = SearchIndex.objects.active().get(collection="guests")
    assert (new.store_kind, new.requested_by) == (conf().vector_store, "release")
    assert [hit.id for hit in search("Anna", "guests")] == ["1"]
    assert search("Anna", "guests").notices == ()
    assert "older release" not in doctor()
    schedule_indexing()
    assert not SearchIndex.objects.building().exists()


def test_the_words_of_an_index_in_a_store_of_an_older_release_are_dropped_too(
    guests, of_an_older_release
):
    old = of_an_older_release
    schedule_indexing()
    run_slice()
    SearchIndex.objects.filter(pk=old.pk).update(ended_at=timezone.now() - dt.timedelta(minutes=11))

    assert compact_search_indexes()["dropped"] == 0

    assert not SearchRow.objects.filter(index=old.pk).exists()
