"""The vector store in the database outside of a transaction: how the copy of a process follows
what others write, take back, remove and restore."""

import os
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.db import connection, transaction

from neural.retrieval.models import StoredVector, VectorColumn
from neural.retrieval.stores import database
from neural.retrieval.stores.base import ValueRefused
from neural.retrieval.stores.database import DatabaseStore
from tests.contract.rows import SHAPE, Table, pointing, row

pytestmark = pytest.mark.django_db(transaction=True)
ONE = pointing(1)


@pytest.fixture
def table() -> Iterator[Table]:
    store = DatabaseStore()
    store.create("dishes", SHAPE)
    yield Table(store, "dishes")
    for name in store.tables():
        store.drop(name)


@pytest.fixture
def elsewhere() -> Table:
    """The same table, as another process uses it."""
    return Table(DatabaseStore(), "dishes")


def at_once(work: Callable[[int], object], *, threads: int) -> None:
    """Call it in so many threads, each with a connection of its own, and raise what they raise."""

    def on_own_connection(number: int) -> None:
        try:
            work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(on_own_connection, range(threads)))


def test_what_another_process_writes_replaces_and_deletes_is_followed(
    table: Table, elsewhere: Table
) -> None:
    table.upsert(*(row(f"a/{n}", lead=pointing(1, n)) for n in range(5)))
    assert elsewhere.near(ONE) == [f"a/{n}" for n in range(5)]

    table.upsert(row("a/4", lead=ONE), row("a/new", lead=pointing(1, 9)))
    table.delete("a/1")
    table.upsert(row("a/2", whole=ONE))

    assert elsewhere.near(ONE) == ["a/0", "a/4", "a/3", "a/new"]


def test_only_what_changed_is_read_again(
    table: Table, elsewhere: Table, django_assert_num_queries
) -> None:
    table.upsert(*(row(f"a/{n}", lead=pointing(1, n)) for n in range(50)))
    elsewhere.near(ONE)

    with django_assert_num_queries(2):  # the version, and the best rows
        elsewhere.near(ONE)
    table.upsert(row("a/50", lead=ONE))
    with django_assert_num_queries(4) as asked:
        elsewhere.near(ONE)

    assert asked[2]["sql"].endswith(f"IN ({StoredVector.objects.get(key='a/50').pk})")


def test_who_commits_late_is_not_missed(table: Table, elsewhere: Table) -> None:
    """Versions appear in their order: whoever writes next waits."""
    is_written, may_commit = threading.Event(), threading.Event()

    def write(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                table.upsert(row("a/slow", lead=ONE))
                is_written.set()
                may_commit.wait(30)
        elif number == 1:
            is_written.wait(30)
            table.upsert(row("a/fast", lead=ONE))
        else:
            is_written.wait(30)
            for _ in range(5):
                assert elsewhere.near(ONE) == []
            may_commit.set()

    at_once(write, threads=3)

    assert elsewhere.near(ONE) == ["a/fast", "a/slow"]
    versions = StoredVector.objects.order_by("change").values_list("key", flat=True)
    assert list(versions) == ["a/slow", "a/fast"]


def test_what_a_transaction_takes_back_is_not_found(table: Table) -> None:
    table.upsert(row("a/1", lead=pointing(1, 1)))
    with transaction.atomic():
        table.upsert(row("a/1", lead=ONE), row("a/2", lead=ONE))
        assert table.near(ONE) == ["a/1", "a/2"]
        transaction.set_rollback(True)

    assert table.near(ONE) == ["a/1"]
    table.upsert(row("a/3", lead=ONE))
    assert table.near(ONE) == ["a/3", "a/1"]


@pytest.mark.parametrize("writes", [0, 1, 3], ids=["at once", "after a write", "after more"])
def test_a_restored_backup_is_noticed(table: Table, elsewhere: Table, writes: int) -> None:
    """Whether its version is below that of the copy, or was counted on since."""
    table.upsert(*(row(f"a/{n}", lead=pointing(1, n)) for n in range(4)))
    backup = list(VectorColumn.objects.values()), list(StoredVector.objects.values())
    table.upsert(row("a/0", lead=pointing(0, 0, 1)), row("a/lost", lead=ONE))
    table.delete("a/1", "a/2")
    assert elsewhere.near(ONE) == ["a/lost", "a/3", "a/0"]

    StoredVector.objects.all().delete()
    for model, rows in zip((VectorColumn, StoredVector), backup, strict=True):
        model.objects.bulk_create(
            [model(**each) for each in rows],
            update_conflicts=model is VectorColumn,
            unique_fields=["id"] if model is VectorColumn else None,
            update_fields=["version", "total"] if model is VectorColumn else None,
        )
    new = [f"a/new {n}" for n in range(writes)]
    for key in new:
        table.upsert(row(key, lead=pointing(-1)))

    assert elsewhere.near(ONE) == ["a/0", "a/1", "a/2", "a/3", *new]


def test_writers_of_the_same_rows_all_get_through(table: Table, elsewhere: Table) -> None:
    def work(number: int) -> None:
        for turn in range(8):
            keys = [f"a/{(number + turn + each) % 12}" for each in range(6)]
            table.upsert(
                *(row(key, lead=ONE, whole=ONE) for key in keys), row(f"{number}/{turn}", lead=ONE)
            )
            table.delete(keys[0])
            elsewhere.near(ONE)

    at_once(work, threads=4)

    there = {each.key for each in StoredVector.objects.filter(column__name="lead")}
    assert set(elsewhere.near(ONE, limit=100)) == there
    for column in VectorColumn.objects.all():
        changes = StoredVector.objects.filter(column=column).values_list("change", flat=True)
        assert sum(changes) % 2**62 == column.total


def test_a_table_that_several_make_at_once_is_made(table: Table) -> None:
    at_once(lambda _: table.store.create("orders", SHAPE), threads=4)

    assert table.store.tables() == ["dishes", "orders"]


def test_rows_are_taken_in_many_steps_and_their_places_are_used_again(
    table: Table, elsewhere: Table, monkeypatch
) -> None:
    monkeypatch.setattr(database, "_AT_A_TIME", 7)
    monkeypatch.setattr(database, "_STEP", 5)
    for turn in range(4):
        table.upsert(*(row(f"a/{turn}-{n}", lead=pointing(1, n)) for n in range(30)))
        table.delete(*(f"a/{turn}-{n}" for n in range(10)))
        assert len(elsewhere.near(ONE, limit=200)) == 20 * (turn + 1)

    (copy,) = elsewhere.store._copies.values()
    assert len(copy._ids) < 120


def test_a_copy_is_small(table: Table, elsewhere: Table) -> None:
    """A number takes one byte: 43,000 vectors of 512 take 23 MB."""
    table.store.create("long", type(SHAPE)(vectors=("whole",), dimensions=512))
    points = np.random.default_rng(3).standard_normal((600, 512)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    Table(table.store, "long").upsert(*(row(f"a/{n}", whole=each) for n, each in enumerate(points)))

    found = Table(elsewhere.store, "long").near(points[7], column="whole", limit=20)

    exact = [f"a/{n}" for n in np.argsort(-(points @ points[7]))[:20]]
    assert found == exact
    (copy,) = elsewhere.store._copies.values()
    arrays = (copy._codes, copy._ids, copy._changes, copy._store, copy._scale)
    assert sum(each.nbytes for each in arrays) <= 600 * 540


def test_a_copy_that_nobody_asks_for_is_forgotten(
    table: Table, elsewhere: Table, monkeypatch
) -> None:
    table.upsert(row("a/1", lead=ONE, whole=ONE))
    elsewhere.near(ONE, column="whole")
    monkeypatch.setattr(database.time, "monotonic", lambda: 10.0**9)

    elsewhere.near(ONE)

    assert len(elsewhere.store._copies) == 1


def test_a_vector_of_another_length_is_refused(table: Table) -> None:
    with pytest.raises(ValueRefused, match="rebuild the index"):
        table.near(np.ones(3, np.float32))
    with pytest.raises(ValueRefused, match="rebuild the index"):
        table.upsert(row("a/1", lead=np.ones(3, np.float32)))


def test_a_forked_child_searches_though_a_thread_of_its_parent_held_the_lock(
    table: Table,
) -> None:
    table.upsert(row("a/1", lead=ONE))
    assert table.near(ONE) == ["a/1"]
    connection.close()
    with database._lock:
        child = os.fork()
        if child == 0:
            connection.connect()
            os._exit(0 if table.near(ONE) == ["a/1"] else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert table.near(ONE) == ["a/1"]


def _write_and_search(table: Table, number: int) -> None:
    for turn in range(5):
        table.upsert(*(row(f"{number}/{turn}-{n}", lead=pointing(1, n)) for n in range(10)))
        table.delete(f"{number}/{turn}-9")
        found = table.near(ONE, limit=1000)
        assert len([key for key in found if key.startswith(f"{number}/")]) == 9 * (turn + 1)


def test_ten_processes_write_and_search_at_once(table: Table, elsewhere: Table) -> None:
    elsewhere.near(ONE)
    connection.close()
    children = []
    for number in range(10):
        children.append(os.fork())
        if children[-1] == 0:
            try:
                connection.connect()
                _write_and_search(elsewhere, number)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)

    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 10
    assert len(elsewhere.near(ONE, limit=1000)) == 450
