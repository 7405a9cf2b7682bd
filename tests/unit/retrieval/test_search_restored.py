"""A database that was restored from a backup is behind its indexes, and that is told.

The "database" goes back by setting its count to what it was when the backup was made.
"""

import pytest
from django.db import transaction
from django.urls import reverse

from neural.health.findings import Status
from neural.health.situation import Situation
from neural.retrieval.health import search_index
from neural.retrieval.index.lag import index_notices
from neural.retrieval.index.rebuilding import open_rebuild, rebuild
from neural.retrieval.index.writing import FOR_GOOD, count_writes, knows_more_than_database
from neural.retrieval.models import IngestedRecord, OutboxEntry, SearchIndex
from neural.retrieval.stores.base import StoreUnavailable
from neural.tasks import index_marked, index_to_vector_db
from tests.unit.retrieval.searching import MemoryStore

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("search_on", "fake_broker"),
]


@pytest.fixture
def change(guests):
    """Changes a record, and has it indexed."""

    def work(number=1):
        OutboxEntry.objects.append("guests", [guests.put(str(number), title=f"Guest {number}")])
        index_marked(shard=0)
        return active()

    return work


def active():
    return SearchIndex.objects.active().get(collection="guests")


def go_back_to(backup):
    """What a restore does to the row of an index."""
    SearchIndex.objects.filter(pk=backup.pk).update(writes=backup.writes)


def is_told():
    return "later state of the database" in " ".join(index_notices().get("guests", ()))


def test_an_index_that_only_this_database_writes_is_never_told(change):
    for number in range(5):
        index = change(number)
        assert not is_told()

    assert index.writes == MemoryStore.noted[index.table] == 5


def test_after_a_restore_the_index_is_told_until_it_is_rebuilt(change):
    backup = change(1)
    change(2)
    assert not is_told()

    go_back_to(backup)

    assert is_told()
    rebuild(index_id=open_rebuild("guests").index.pk)
    assert not is_told()
    change(3)
    assert not is_told()


def test_it_stays_told_though_the_database_counts_on(change):
    backup = change(1)
    change(2)
    go_back_to(backup)

    for number in range(5):
        change(number)

    assert is_told()
    assert MemoryStore.noted[backup.table] == FOR_GOOD


def test_of_a_database_and_its_copy_that_write_to_one_index_both_are_told(change):
    """Which of them writes first, and how often, does not matter."""
    copied = change(1)
    change(2)
    change(3)
    original = active()

    go_back_to(copied)
    change(4)  # by the copy

    assert is_told()
    go_back_to(original)
    assert is_told()


def test_what_is_ingested_counts_too(guests, change):
    backup = change(1)
    index_to_vector_db("guests", {"id": "9", "store_id": "S1", "title": "Guest 9"})
    assert IngestedRecord.objects.exists()

    go_back_to(backup)

    assert is_told()


def test_doctor_says_what_to_type(change):
    backup = change(1)
    change(2)
    go_back_to(backup)

    finding = search_index(Situation())

    assert finding.status == Status.WARNING
    assert "later state of the database" in finding.found
    assert "manage.py rebuild_index guests" in finding.found


def test_the_page_of_the_index_says_so_too(change, admin_client):
    backup = change(1)
    change(2)
    page = reverse("admin:neural_retrieval_searchindex_change", args=[backup.pk])
    assert "later state" not in admin_client.get(page).text

    go_back_to(backup)

    assert "later state" in admin_client.get(page).text


def test_killed_before_the_store_has_noted_it_nothing_is_told(change, monkeypatch):
    change(1)
    with monkeypatch.context() as patched:
        patched.setattr(MemoryStore, "note_writes", _killed)
        with pytest.raises(KeyboardInterrupt):
            change(2)

    assert not is_told()
    change(3)
    assert not is_told()


def test_killed_before_it_was_counted_nothing_is_told(change, monkeypatch):
    change(1)
    with monkeypatch.context() as patched:
        patched.setattr(SearchIndex, "count_write", _killed)
        with pytest.raises(KeyboardInterrupt):
            change(2)

    assert not is_told()
    change(3)
    assert not is_told()


def _killed(*_args):
    raise KeyboardInterrupt


def test_one_that_counts_while_another_does_between_all_its_steps_is_no_restore(
    change, monkeypatch
):
    """Two shards: each step of the one is followed by a whole count of the other."""
    index = change(1)
    read, count = MemoryStore.writes_noted, SearchIndex.count_write

    def and_then_another(step):
        def work(self, *args):
            result = step(self, *args)
            with monkeypatch.context() as patched:
                patched.setattr(MemoryStore, "writes_noted", read)
                patched.setattr(SearchIndex, "count_write", count)
                count_writes([index])
                assert not is_told()
            return result

        return work

    monkeypatch.setattr(MemoryStore, "writes_noted", and_then_another(read))
    monkeypatch.setattr(SearchIndex, "count_write", and_then_another(count))
    count_writes([index])
    monkeypatch.undo()

    assert not is_told()
    assert active().writes == MemoryStore.noted[index.table] == 4


def test_whoever_compares_while_another_counts_is_not_misled(change, monkeypatch):
    index = change(1)
    read = MemoryStore.writes_noted

    def and_then_another_counts(self, table):
        noted = read(self, table)
        monkeypatch.undo()
        count_writes([index])
        return noted

    monkeypatch.setattr(MemoryStore, "writes_noted", and_then_another_counts)

    assert not knows_more_than_database(index)


def test_what_a_transaction_takes_back_is_not_counted(change):
    index = change(1)

    with transaction.atomic():
        count_writes([index])
        transaction.set_rollback(True)

    assert active().writes == MemoryStore.noted[index.table] == 1


def test_an_index_without_a_note_is_not_told_and_gets_one_when_it_is_written(change):
    """As those that an older release has made."""
    index = change(1)
    MemoryStore.noted.clear()
    SearchIndex.objects.update(writes=0)

    assert not is_told()
    change(2)

    assert MemoryStore.noted[index.table] == 1
    assert not is_told()


def test_a_store_that_is_away_says_nothing_about_it(change, monkeypatch):
    backup = change(1)
    change(2)
    go_back_to(backup)

    def away(self, table):
        raise StoreUnavailable("the bucket does not answer")

    monkeypatch.setattr(MemoryStore, "writes_noted", away)

    assert not is_told()


def test_a_store_whose_tables_are_restored_with_the_database_counts_nothing(change, monkeypatch):
    monkeypatch.setattr(MemoryStore, "notes_writes", False)

    assert change(1).writes == 0
    assert MemoryStore.noted == {}
