"""Every vector store: tables, and rows that are written, replaced, deleted and read."""

import numpy as np
import pytest

from neural.retrieval.stores.base import TableMissing, VectorStore
from tests.contract.rows import SHAPE, Table, pointing, row

ONE = pointing(1)


def test_tables_are_listed_by_name(store: VectorStore) -> None:
    assert store.tables() == []

    store.create("orders_2", SHAPE)
    store.create("dishes_1", SHAPE)

    assert store.tables() == ["dishes_1", "orders_2"]


def test_making_a_table_again_leaves_its_rows(store: VectorStore, table: Table) -> None:
    table.upsert(row("a/1", lead=ONE))

    store.create(table.name, SHAPE)

    assert table.near(ONE) == ["a/1"]


def test_a_dropped_table_is_gone_and_may_be_dropped_again(store: VectorStore, table: Table) -> None:
    table.upsert(row("a/1", lead=ONE))

    store.drop(table.name)
    store.drop(table.name)

    assert store.tables() == []
    with pytest.raises(TableMissing, match=table.name):
        table.near(ONE)


def test_a_table_that_is_made_anew_has_none_of_the_old_rows(
    store: VectorStore, table: Table
) -> None:
    table.upsert(row("a/1", lead=ONE))
    table.near(ONE)
    store.drop(table.name)

    store.create(table.name, SHAPE)

    assert table.near(ONE) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda table: table.upsert(row("a/1", lead=ONE)),
        lambda table: table.delete("a/1"),
        lambda table: table.vectors("a/1"),
        lambda table: table.near(ONE),
        lambda table: table.store.size(table.name),
    ],
    ids=["upsert", "delete", "vectors", "nearest", "size"],
)
def test_a_table_that_is_not_there_is_named(store: VectorStore, use) -> None:
    with pytest.raises(TableMissing, match="nowhere"):
        use(Table(store, "nowhere"))


def test_vectors_are_read_as_they_were_written(table: Table) -> None:
    key = "s-1/订单 '7'/\"x\"\\麻婆豆腐 🍲\n'; DROP TABLE dishes; --"

    table.upsert(row(key, lead=pointing(3, 4)))

    read = table.vectors(key)
    assert set(read) == {"lead"}
    np.testing.assert_allclose(read["lead"], pointing(3, 4), atol=1e-3)
    assert read["lead"].dtype == np.float32


def test_a_row_may_lack_all_vectors(table: Table) -> None:
    table.upsert(row("a/1"), row("a/2", lead=ONE))

    assert dict(table.vectors("a/1")) == dict(table.vectors("a/3")) == {}
    assert table.near(ONE) == ["a/2"]


def test_a_row_takes_the_place_of_the_one_of_its_key(table: Table) -> None:
    table.upsert(row("a/1", lead=ONE, whole=ONE), row("a/2", lead=ONE))
    table.near(ONE, column="whole")

    table.upsert(row("a/1", lead=pointing(0, 1)))

    assert table.near(ONE) == ["a/2", "a/1"]
    assert table.near(ONE, column="whole") == []
    assert set(table.vectors("a/1")) == {"lead"}


def test_of_rows_of_one_key_the_last_counts(table: Table) -> None:
    table.upsert(*(row("a/1", lead=pointing(1, n)) for n in range(3)))

    np.testing.assert_allclose(table.vectors("a/1")["lead"], pointing(1, 2), atol=1e-3)


def test_rows_are_deleted_by_key(table: Table) -> None:
    table.upsert(*(row(key, lead=ONE) for key in ("a/1", "a/2", "a/it's", "a/x", "a/X", "a/x ")))
    table.near(ONE)

    table.delete("a/1", "a/it's", "a/9", "a/X")

    assert table.near(ONE) == ["a/2", "a/x", "a/x "]
    assert dict(table.vectors("a/1")) == {}


def test_writing_or_deleting_nothing_does_nothing(table: Table) -> None:
    table.upsert()
    table.delete()

    assert table.near(ONE) == []
