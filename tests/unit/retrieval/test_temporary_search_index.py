"""A test of an app's own collection: submit, run_due and search alone, and nothing stays behind."""

import pytest
from django.db import IntegrityError, connection
from loyalty.models import Account

import neural
from neural.retrieval.conf import conf
from neural.retrieval.models import OutboxEntry, SearchIndex, VectorColumn
from tests.unit.retrieval.searching import EMBEDDER, MemoryStore
from tests.unit.retrieval.searching import STORE as MEMORY

pytestmark = pytest.mark.usefixtures("fake_broker")

TINY = {"embedder": EMBEDDER}


def earn(member="ann", event_id="1", **more):
    neural.submit(
        type="loyalty.points_earned",
        store="S01",
        source="till",
        event_id=event_id,
        payload={"member": member, "points": 20},
        **more,
    ).or_raise()


def found(text, collection="loyalty_members"):
    return [hit.id for hit in neural.search(text, collection, store="S01")]


def tables():
    return set(VectorColumn.objects.values_list("table", flat=True))


@pytest.mark.django_db
def test_what_a_handler_reindexed_is_found_after_run_due():
    with neural.temporary_search_index(**TINY):
        earn("ann")
        assert found("ann") == []
        neural.run_due()
        assert found("ann") == ["ann"]

        Account.objects.all().delete()
        neural.reindex(collection="loyalty_members", store="S01", ids=["ann"])
        neural.run_due()
        assert found("ann") == []


@pytest.mark.django_db
def test_history_is_indexed_by_the_same_call():
    with neural.temporary_search_index(**TINY):
        earn("ann", backfill=True)
        neural.run_due()

        assert found("ann") == ["ann"]
        assert not OutboxEntry.objects.exists()


@pytest.mark.django_db
def test_one_queue_alone_is_run_when_asked():
    with neural.temporary_search_index(**TINY):
        earn("ann")

        assert neural.run_due(queue="high_priority") == []


@pytest.mark.django_db
def test_no_vectors_stay_behind():
    before = tables()
    with neural.temporary_search_index(**TINY):
        earn("ann")
        neural.run_due()
        assert found("ann") == ["ann"]
        assert tables() > before

    assert tables() == before
    assert not SearchIndex.objects.exists()


@neural.temporary_search_index(**TINY)
def failing_test():
    earn("ann")
    neural.run_due()
    assert found("ann") == []


@pytest.mark.django_db
def test_nor_when_the_test_fails():
    with pytest.raises(AssertionError):
        failing_test()

    assert not tables()
    assert not SearchIndex.objects.exists()


@neural.temporary_search_index(**TINY)
def breaking_test():
    earn("ann")
    neural.run_due()
    # Without a savepoint: PostgreSQL hears nothing more in this transaction.
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO neural_store SELECT * FROM neural_store")


@pytest.mark.django_db
def test_a_failure_of_the_database_is_told_and_not_that_nothing_could_be_dropped():
    with pytest.raises(IntegrityError):
        breaking_test()


@pytest.mark.django_db
def test_a_store_of_ones_own_loses_what_is_new_and_keeps_what_was_there():
    MemoryStore.kept["older"] = {}
    try:
        with neural.temporary_search_index(vector_store=MEMORY, **TINY):
            earn("ann")
            neural.run_due()
            assert len(MemoryStore.kept) > 1

        assert list(MemoryStore.kept) == ["older"]
    finally:
        MemoryStore.forget()


@pytest.mark.django_db
def test_settings_are_as_before_and_run_due_indexes_nothing_outside():
    before = conf()

    with neural.temporary_search_index(**TINY):
        assert conf().search
    earn("ann")
    neural.reindex(collection="loyalty_members", store="S01", ids=["ann"])

    assert [outcome.run.handler for outcome in neural.run_due() if outcome.run.handler]
    assert conf() == before
    assert not SearchIndex.objects.exists()
