"""Every vector store that is not restored with the database: the number of writes that is noted in
a table."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from neural.retrieval.stores.base import TableMissing, VectorStore, Within
from neural.retrieval.stores.lance.store import LanceStore
from tests.contract.rows import ANYWHERE, SHAPE, Table, pointing, row
from tests.contract.vector_stores import STORES


@pytest.fixture(params=["lance", "object storage", "sqlite"])
def store(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    """An empty store, and LanceDB at an address that is no directory."""
    elsewhere = request.param == "object storage"
    made = LanceStore("memory://search") if elsewhere else STORES[request.param](request)
    assert made.notes_writes
    yield made
    for name in made.tables():
        made.drop(name)


def test_of_a_table_nothing_is_noted_at_first(store: VectorStore, table: Table) -> None:
    table.upsert(row("a/1"))

    assert store.writes_noted(table.name) is None
    with pytest.raises(TableMissing):
        store.writes_noted("never_made")


def test_the_greatest_number_is_kept(store: VectorStore, table: Table) -> None:
    for number in (3, 7, 5):
        store.note_writes(table.name, number)

    assert store.writes_noted(table.name) == 7


def test_the_greatest_number_ever_is_kept(store: VectorStore, table: Table) -> None:
    store.note_writes(table.name, 2**62)
    store.note_writes(table.name, 1)

    assert store.writes_noted(table.name) == 2**62


def test_a_number_is_no_table_and_no_row(store: VectorStore, table: Table) -> None:
    table.upsert(row("a/1"))
    store.note_writes(table.name, 1)

    assert store.tables() == [table.name]
    assert store.count(table.name, within=ANYWHERE) == store.size(table.name).rows == 1
    assert store.count(table.name, within=Within(stores=frozenset([""]))) == 0
    assert table.near(pointing(1)) == []


def test_it_is_of_one_table_and_goes_with_it(store: VectorStore, table: Table) -> None:
    store.create("others", SHAPE)
    store.note_writes(table.name, 4)
    store.note_writes("others", 9)

    store.drop(table.name)
    store.create(table.name, SHAPE)

    assert store.writes_noted(table.name) is None
    assert store.writes_noted("others") == 9


def test_it_outlasts_compaction_and_many_notes(store: VectorStore, table: Table) -> None:
    for number in range(60, 70):
        store.note_writes(table.name, number)
    table.compact()

    assert store.writes_noted(table.name) == 69


def test_of_a_table_that_is_not_there_nothing_can_be_noted(store: VectorStore) -> None:
    with pytest.raises(TableMissing):
        store.note_writes("never_made", 1)

    assert store.tables() == []


def test_of_several_that_note_at_once_the_greatest_counts(store: VectorStore, table: Table) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: store.note_writes(table.name, number), range(1, 25)))

    assert store.writes_noted(table.name) == 24
