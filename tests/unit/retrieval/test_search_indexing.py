"""Indexing: what was in the outbox is in the index soon, once, whatever is killed or comes in
between."""

import datetime as dt
import time

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from neural.ledger.work import Snooze
from neural.retrieval.collections.registry import collection_of
from neural.retrieval.embedders.base import EmbedderRefused, EmbedderUnavailable
from neural.retrieval.index import indexing, writing
from neural.retrieval.index.active import written_indexes
from neural.retrieval.index.indexing import index_entries
from neural.retrieval.index.rebuilding import open_rebuild
from neural.retrieval.models import (
    IndexShard,
    IndexState,
    IngestedRecord,
    OutboxEntry,
    SearchIndex,
    SearchRow,
)
from neural.retrieval.stores.base import StoreUnavailable
from neural.tasks import index_marked
from tests.unit.retrieval.searching import MemoryStore, TinyEmbedder, active, titles, to_outbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("search_on")]


def index_all():
    return index_entries("guests", list(OutboxEntry.objects.waiting().order_by("pk")))


def index_newest():
    return index_entries("guests", [OutboxEntry.objects.waiting().latest("pk")])


takes = pytest.mark.parametrize("take", [index_newest, index_all])
"""What another run takes: its own entry, or those that the first run works on as well."""


def test_what_was_in_the_outbox_is_in_the_index_and_its_entry_is_gone(guests):
    to_outbox(guests.put("1", title="Anna"), guests.put("2", title="Bob"))

    assert index_marked(shard=0) == {"indexed": 2, "refused": 0}

    assert titles(active()) == {"S1/1": "Anna", "S1/2": "Bob"}
    assert not OutboxEntry.objects.exists()
    row = MemoryStore.kept[active().table]["S1/1"]
    assert set(row.vectors) == {"whole"}
    assert "=anna" in SearchRow.objects.get(key="S1/1").words


def test_many_entries_are_one_embedding_and_one_commit(guests):
    to_outbox(*(guests.put(str(number), title=f"Guest {number}") for number in range(50)))

    index_marked(shard=0)

    assert [len(texts) for texts in TinyEmbedder.calls] == [50]
    assert MemoryStore.commits == [(active().table, 50)]


def test_a_record_that_is_in_the_outbox_often_is_read_once(guests):
    key = guests.put("1", title="Anna")
    for _ in range(5):
        to_outbox(key)

    assert index_marked(shard=0)["indexed"] == 1
    assert not OutboxEntry.objects.exists()


def test_a_record_that_is_gone_is_taken_out(guests):
    to_outbox(guests.put("1", title="Anna"), guests.put("2", title="Bob"))
    index_marked(shard=0)
    guests.records.pop("S1/1")
    to_outbox("S1/1")

    index_marked(shard=0)

    assert titles(active()) == {"S1/2": "Bob"}


def test_one_that_cannot_be_read_says_why_and_the_others_go_on(guests):
    guests.put("3")  # it has no title, and the document's function knows nothing of that
    to_outbox(guests.put("1", title="bad"), guests.put("2", title="Bob"), "S1/3")

    assert index_marked(shard=0) == {"indexed": 1, "refused": 2}

    errors = dict(OutboxEntry.objects.refused().values_list("key", "error"))
    assert errors == {
        "S1/1": "guests: record '1' is bad",
        "S1/3": "guests: S1/3: KeyError: 'title'",
    }
    assert titles(active()) == {"S1/2": "Bob"}


def test_a_refused_record_is_read_again_when_it_changes_or_a_person_says_so(guests):
    key = guests.put("1", title="bad")
    to_outbox(key)
    index_marked(shard=0)
    guests.put("1", title="Anna")
    refused = OutboxEntry.objects.get()

    assert refused.retry()
    assert not refused.retry()
    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "Anna"}


def test_what_is_told_of_a_record_is_about_its_newest_state(guests):
    key = guests.put("1", title="bad")
    for _ in range(2):
        to_outbox(key)
        index_marked(shard=0)
    assert OutboxEntry.objects.get().error
    guests.put("1", title="Anna")
    to_outbox(key)

    index_marked(shard=0)

    assert not OutboxEntry.objects.exists()


def test_entries_of_a_collection_that_nobody_registers_say_so():
    to_outbox("S1/1")

    index_marked(shard=0)

    assert "'guests' is not registered" in OutboxEntry.objects.get().error


# One that spoils a batch


def test_a_record_that_no_code_foresaw_holds_up_no_other(guests, monkeypatch):
    """Tokens, vectors, the store: whatever trips over it, the others are indexed."""
    tokens_of = writing.tokens_of

    def trips(document):
        if document.title == "odd":
            raise ValueError("nobody thought of this")
        return tokens_of(document)

    monkeypatch.setattr(writing, "tokens_of", trips)
    to_outbox(*(guests.put(str(number), title="sound") for number in range(20)))
    to_outbox(guests.put("odd", title="odd"))

    assert index_marked(shard=0) == {"indexed": 20, "refused": 1}

    assert len(titles(active())) == 20
    refused = OutboxEntry.objects.get()
    assert (refused.key, refused.error) == ("S1/odd", "ValueError: nobody thought of this")


def test_what_fails_for_all_records_blames_none_and_holds_up_no_other_collection(
    guests, clients, monkeypatch, caplog
):
    IndexShard.objects.create(history=False, number=0)
    OutboxEntry.objects.append("guests", [guests.put(str(n), title="Guest") for n in range(5)])
    OutboxEntry.objects.append("clients", [clients.put("1", title="Client")])
    tokens_of = writing.tokens_of
    broken = lambda document: 1 / 0 if document.title == "Guest" else tokens_of(document)  # noqa: E731
    monkeypatch.setattr(writing, "tokens_of", broken)

    with pytest.raises(Snooze) as snoozed:
        index_marked(shard=0)

    assert snoozed.value.checkpoint["waits"] == {"guests": "ZeroDivisionError: division by zero"}
    assert OutboxEntry.objects.waiting().filter(collection="guests").count() == 5
    assert not OutboxEntry.objects.filter(collection="clients").exists()
    assert "event=indexing_failed collection=guests" in caplog.text
    monkeypatch.setattr(writing, "tokens_of", tokens_of)
    assert index_marked(shard=0)["indexed"] == 5


def test_a_text_that_the_model_refuses_leaves_its_record_to_be_found_by_words(guests, monkeypatch):
    embed = TinyEmbedder.embed

    def particular(self, texts):
        if any("secret" in text for text in texts):
            raise EmbedderRefused("we do not speak of this")
        return embed(self, texts)

    monkeypatch.setattr(TinyEmbedder, "embed", particular)
    to_outbox(*(guests.put(str(number), title=f"Guest {number}") for number in range(20)))
    to_outbox(guests.put("s", title="secret"))

    assert index_marked(shard=0) == {"indexed": 21, "refused": 0}

    found = MemoryStore.kept[active().table]
    assert "=secret" in SearchRow.objects.get(key="S1/s").words
    assert {key for key, row in found.items() if not row.vectors} == {"S1/s"}


def test_a_model_that_refuses_everything_is_asked_twice_and_not_text_by_text(guests):
    to_outbox(*(guests.put(str(number), title=f"Guest {number}") for number in range(20)))
    TinyEmbedder.fails += [EmbedderRefused("the key is wrong")] * 20

    with pytest.raises(Snooze):
        index_marked(shard=0)

    assert len(TinyEmbedder.fails) == 18


def test_what_no_store_can_keep_is_left_out_of_a_record(guests):
    to_outbox(guests.put("1", title="An\x00na \ud800"))

    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "An na  "}


# Killed, and at the same time


STEPS = (
    (indexing, "written_indexes"),
    (indexing, "version_now"),
    (indexing, "entry_records"),
    (writing, "documents_of"),
    (writing, "vectors_for"),
    (writing, "_change"),
    (writing.words, "upsert"),
    (writing.words, "delete"),
    (indexing, "write"),
    (indexing, "forget_outdated"),
    (indexing, "_settle"),
)


def test_what_was_ingested_at_a_full_second_is_overtaken_as_well(guests):
    ingest("S1/4", "overtaken")
    second = timezone.now().replace(microsecond=0) - dt.timedelta(seconds=1)
    with connection.cursor() as cursor:  # as the database itself writes it
        zone = "+00" if connection.vendor == "postgresql" else ""
        text = f"{second:%Y-%m-%d %H:%M:%S}.000{zone}"
        cursor.execute("UPDATE neural_suppliedrecord SET supplied_at = %s", [text])
    to_outbox(guests.put("4", title="Dora"))

    index_marked(shard=0)

    assert titles(active()) == {"S1/4": "Dora"}
    assert not IngestedRecord.objects.exists()


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS)
def test_killed_between_any_two_steps_it_is_done_again_to_the_same_end(
    guests, monkeypatch, module, step, done
):
    to_outbox(guests.put("1", title="Anna"), guests.put("2", title="bad"), "S1/gone")
    ingest("S1/3", "ingested")
    to_outbox("S1/3", ingested=True)
    ingest("S1/4", "overtaken")
    to_outbox(guests.put("4", title="Dora"))
    work = getattr(module, step)

    def killed(*arguments, **options):
        if done:
            work(*arguments, **options)
        raise SystemExit

    with monkeypatch.context() as broken:
        broken.setattr(module, step, killed)
        with pytest.raises(SystemExit):
            index_all()
    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "Anna", "S1/3": "ingested", "S1/4": "Dora"}
    assert OutboxEntry.objects.get().key == "S1/2"
    assert IngestedRecord.objects.get().key == "S1/3"


def test_a_change_that_comes_while_its_record_is_being_written_is_not_lost(guests):
    key = guests.put("1", title="old")
    to_outbox(key)

    def change():
        MemoryStore.before_write = None
        guests.put("1", title="new")
        to_outbox(key)

    MemoryStore.before_write = change
    index_all()
    assert OutboxEntry.objects.waiting().count() == 1
    index_all()

    assert titles(active()) == {"S1/1": "new"}


def test_whoever_read_earlier_and_writes_later_puts_nothing_old_over_something_new(guests):
    key = guests.put("1", title="old")
    to_outbox(key)

    def another_run():
        MemoryStore.before_write = None
        guests.put("1", title="new")
        to_outbox(key)
        index_all()

    MemoryStore.before_write = another_run
    index_all()

    assert titles(active()) == {"S1/1": "new"}
    index_all()  # its vector, which may have been written last
    assert not OutboxEntry.objects.exists()


@takes
def test_a_record_that_goes_while_it_is_written_is_not_found_afterwards(guests, take):
    key = guests.put("1", title="Anna")
    to_outbox(key)

    def another_run():
        MemoryStore.before_write = None
        del guests.records[key]
        to_outbox(key)
        take()

    MemoryStore.before_write = another_run
    index_marked(shard=0)

    assert titles(active()) == {}
    assert not OutboxEntry.objects.exists()


@takes
def test_a_record_that_comes_while_it_is_taken_out_is_found_afterwards(guests, take):
    to_outbox(guests.put("2", title="Bob"))
    index_all()
    to_outbox("S1/1")

    def another_run():
        MemoryStore.before_write = None
        to_outbox(guests.put("1", title="Anna"))
        take()

    MemoryStore.before_write = another_run
    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "Anna", "S1/2": "Bob"}
    assert not OutboxEntry.objects.exists()


def test_a_record_that_is_no_document_any_more_is_not_found_by_what_it_said(guests):
    to_outbox(guests.put("1", title="Anna"), guests.put("2", title="Bob"))
    index_marked(shard=0)
    to_outbox(guests.put("1", title=" "))

    index_marked(shard=0)

    assert titles(active()) == {"S1/2": "Bob"}
    assert OutboxEntry.objects.refused().get().key == "S1/1"


@takes
def test_a_record_that_can_be_read_again_while_it_is_taken_out_is_found(guests, take):
    to_outbox(guests.put("1", title="Anna"))
    index_marked(shard=0)
    to_outbox(guests.put("1", title=" "))

    def another_run():
        MemoryStore.before_write = None
        to_outbox(guests.put("1", title="Carl"))
        take()

    MemoryStore.before_write = another_run
    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "Carl"}
    assert not OutboxEntry.objects.exists()


def test_no_transaction_is_open_while_texts_are_embedded_or_written(guests, monkeypatch):
    depths = []
    outside = len(connection.savepoint_ids)
    monkeypatch.setattr(
        TinyEmbedder, "_vector", lambda self, text: depths.append(_depth()) or [1.0] * 16
    )
    MemoryStore.before_write = lambda: depths.append(_depth())
    to_outbox(guests.put("1", title="Anna"))

    index_all()

    assert depths == [outside, outside]


def _depth():
    return len(connection.savepoint_ids)


# What is away, and what a person must see to


@pytest.mark.parametrize("where", ["store", "embedder"])
def test_what_is_away_is_the_runs_to_retry_and_entries_stand(guests, where):
    to_outbox(guests.put("1", title="Anna"))
    if where == "store":
        MemoryStore.fails.append(StoreUnavailable("away"))
    else:
        TinyEmbedder.fails.append(EmbedderUnavailable("away"))

    with pytest.raises((StoreUnavailable, EmbedderUnavailable)):
        index_marked(shard=0)
    assert OutboxEntry.objects.waiting().count() == 1
    assert index_marked(shard=0)["indexed"] == 1


def test_it_is_tried_again_for_as_long_as_it_takes():
    policy = index_marked.retry_policy

    assert policy.allows(10_000)
    assert policy.delay(1, random_share=1) == 2
    assert policy.delay(1000, random_share=1) == 60


def test_what_will_not_mend_itself_is_put_off_and_said(guests, caplog):
    IndexShard.objects.create(history=False, number=0)
    to_outbox(guests.put("1", title="Anna"))
    TinyEmbedder.fails += [EmbedderRefused("the key is wrong")] * 4

    for _ in range(2):
        with pytest.raises(Snooze) as snoozed:
            index_marked(shard=0)

    assert snoozed.value.checkpoint["waits"] == {"guests": "the key is wrong"}
    assert IndexShard.objects.get().trouble == "guests: the key is wrong"
    assert caplog.text.count("event=indexing_waits") == 1
    assert OutboxEntry.objects.waiting().count() == 1
    index_marked(shard=0)
    assert IndexShard.objects.get().trouble == ""


def test_trouble_in_one_collection_holds_up_no_other(guests, clients):
    OutboxEntry.objects.append("guests", [guests.put("1", title="Anna")])
    index_marked(shard=0)
    OutboxEntry.objects.append("guests", [guests.put("2", title="Bob")])
    OutboxEntry.objects.append("clients", [clients.put("1", title="Carl")])
    MemoryStore.kept.pop(active().table)  # somebody deleted it

    with pytest.raises(Snooze) as snoozed:
        index_marked(shard=0)

    assert "run manage.py rebuild_index guests" in snoozed.value.checkpoint["waits"]["guests"]
    assert list(OutboxEntry.objects.values_list("collection", flat=True)) == ["guests"]
    assert SearchIndex.objects.active().get(collection="clients").rows == 1


def test_a_collection_that_is_away_holds_up_no_other(guests, clients, monkeypatch):
    """One table may be unreadable where the others are not."""
    OutboxEntry.objects.append("guests", [guests.put("1", title="Anna")])
    index_marked(shard=0)
    IndexShard.objects.create(history=False, number=0)
    OutboxEntry.objects.append("guests", [guests.put("2", title="Bob")])
    OutboxEntry.objects.append("clients", [clients.put("1", title="Carl")])
    broken, upsert = active().table, MemoryStore.upsert

    def upsert_elsewhere(self, table, rows):
        if table == broken:
            raise StoreUnavailable("a page is damaged")
        upsert(self, table, rows)

    monkeypatch.setattr(MemoryStore, "upsert", upsert_elsewhere)
    with pytest.raises(StoreUnavailable, match="damaged"):
        index_marked(shard=0)

    assert list(OutboxEntry.objects.values_list("collection", flat=True)) == ["guests"]
    assert IndexShard.objects.get().trouble == ""


# The first index, another model


def test_the_first_entries_of_a_collection_make_its_index_and_it_is_searched_at_once(guests):
    to_outbox(guests.put("1", title="Anna"))

    index_marked(shard=0)

    index = active()
    assert (index.state, index.embedder, index.dimensions) == (IndexState.ACTIVE, "tiny", 16)
    assert (index.vectors, index.left_out, index.rows) == (["whole"], 0, 1)


def test_shards_that_begin_at_once_make_one_first_index_and_none_loses_what_it_wrote(
    guests, monkeypatch
):
    to_outbox(guests.put("1", title="Anna"))
    begun = []

    def another_shard_is_quicker(collection):
        if not begun:
            begun.append(collection)
            index_marked(shard=0)
            to_outbox(guests.put("2", title="Bob"))
        return 0

    monkeypatch.setattr("neural.retrieval.index.active._unmarked_records", another_shard_is_quicker)

    written_indexes(collection_of("guests"))
    index_marked(shard=0)

    assert SearchIndex.objects.count() == 1
    assert titles(active()) == {"S1/1": "Anna", "S1/2": "Bob"}


def test_what_comes_while_a_first_index_is_made_is_written_to_all_that_there_are_then(
    guests, monkeypatch
):
    def others_make_it_and_begin_to_rebuild_it(collection):
        monkeypatch.undo()
        index_marked(shard=0)
        open_rebuild("guests")
        return 0

    monkeypatch.setattr(
        "neural.retrieval.index.active._unmarked_records", others_make_it_and_begin_to_rebuild_it
    )
    to_outbox(guests.put("1", title="Anna"))

    written = written_indexes(collection_of("guests"))

    assert {index.state for index in written} == {IndexState.ACTIVE, IndexState.BUILDING}


def test_a_first_index_says_how_many_older_records_it_lacks(guests):
    for number in range(10):
        guests.put(str(number), title="old")
    to_outbox(guests.put("new", title="new"))

    index_marked(shard=0)

    assert active().left_out == 10


def test_with_another_model_words_are_kept_up_and_vectors_left_out(guests, settings):
    to_outbox(guests.put("1", title="Anna"))
    index_marked(shard=0)
    settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "other"}}
    to_outbox(guests.put("2", title="Bob"))

    index_marked(shard=0)

    row = MemoryStore.kept[active().table]["S1/2"]
    assert row.vectors == {}
    assert "=bob" in SearchRow.objects.get(key="S1/2").words


def test_with_another_store_entries_wait_until_the_index_is_rebuilt(guests):
    to_outbox(guests.put("1", title="Anna"))
    index_marked(shard=0)
    SearchIndex.objects.update(store_kind="another")
    to_outbox("S1/1")

    with pytest.raises(Snooze) as snoozed:
        index_marked(shard=0)

    assert "rebuild_index guests" in snoozed.value.checkpoint["waits"]["guests"]


def test_changes_are_written_to_the_index_that_is_being_built_too(guests):
    from neural.retrieval.index.active import new_index

    to_outbox(guests.put("1", title="Anna"))
    index_marked(shard=0)
    building = new_index("guests", requested_by="test")
    to_outbox(guests.put("2", title="Bob"))

    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "Anna", "S1/2": "Bob"}
    assert titles(building) == {"S1/2": "Bob"}
    assert len(TinyEmbedder.calls) == 2  # once for both


# Records that were ingested


def ingest(key, title):
    time.sleep(0.002)  # SQLite's clock counts milliseconds
    IngestedRecord.objects.update_or_create(
        collection="guests",
        key=key,
        defaults={"data": {"id": key.partition("/")[2], "title": title}, "ingested_at": Now()},
    )


def test_what_was_ingested_is_indexed_as_it_came(guests):
    ingest("S1/1", "Anna")
    to_outbox("S1/1", ingested=True)

    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "Anna"}


def test_an_event_that_says_something_newer_wins_and_what_was_ingested_is_forgotten(guests):
    ingest("S1/1", "ingested")
    to_outbox("S1/1", ingested=True)
    to_outbox(guests.put("1", title="newer"))

    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "newer"}
    assert not IngestedRecord.objects.exists()


def test_what_was_ingested_after_an_event_wins(guests):
    to_outbox(guests.put("1", title="older"))
    ingest("S1/1", "ingested")
    to_outbox("S1/1", ingested=True)

    index_marked(shard=0)

    assert titles(active()) == {"S1/1": "ingested"}


def test_what_is_ingested_anew_while_an_event_wins_is_kept(guests):
    ingest("S1/1", "ingested")
    to_outbox(guests.put("1", title="newer"))

    def hand_in():
        MemoryStore.before_write = None
        ingest("S1/1", "ingested anew")
        to_outbox("S1/1", ingested=True)

    MemoryStore.before_write = hand_in
    index_all()
    assert titles(active()) == {"S1/1": "newer"}
    index_all()

    assert titles(active()) == {"S1/1": "ingested anew"}


def test_after_a_batch_the_size_is_noted(guests, fake_broker):
    to_outbox(guests.put("1", title="Anna"), guests.put("2", title="Bob"))

    index_marked(shard=0)

    assert (active().rows, active().bytes) == (2, 200)
