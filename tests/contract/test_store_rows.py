"""Every vector store: tables, and rows that are written, replaced, deleted and read."""

import numpy as np
import pytest

from neural.retrieval.stores.base import TableMissing, VectorStore
from tests.contract.rows import ANYWHERE, SHAPE, Table, pointing, row


def test_tables_are_listed_by_name(store: VectorStore) -> None:
    assert store.tables() == []

    store.create("orders_2", SHAPE)
    store.create("dishes_1", SHAPE)

    assert store.tables() == ["dishes_1", "orders_2"]


def test_making_a_table_again_leaves_its_rows(store: VectorStore, table: Table) -> None:
    table.upsert(row("a/1"))

    store.create(table.name, SHAPE)

    assert table.count() == 1


def test_a_dropped_table_is_gone_and_may_be_dropped_again(store: VectorStore, table: Table) -> None:
    table.upsert(row("a/1"))

    store.drop(table.name)
    store.drop(table.name)

    assert store.tables() == []
    with pytest.raises(TableMissing, match=table.name):
        table.count()


def test_a_table_that_is_made_anew_has_none_of_the_old_rows(
    store: VectorStore, table: Table
) -> None:
    table.upsert(row("a/1", lead=pointing(1)))
    store.drop(table.name)

    store.create(table.name, SHAPE)

    assert table.count() == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda table: table.upsert(row("a/1")),
        lambda table: table.delete("a/1"),
        lambda table: table.count(),
        lambda table: table.keys("a/1"),
        lambda table: table.near(pointing(1)),
        lambda table: table.compact(),
        lambda table: table.store.size(table.name),
    ],
    ids=["upsert", "delete", "count", "rows", "nearest", "compact", "size"],
)
def test_a_table_that_is_not_there_is_named(store: VectorStore, use) -> None:
    with pytest.raises(TableMissing, match="nowhere"):
        use(Table(store, "nowhere"))


def test_a_row_is_read_as_it_was_written(table: Table) -> None:
    hostile = "麻婆豆腐 🍲\n'; DROP TABLE dishes; --"
    version = 1_772_000_000_123_456
    written = row(f"s-1/订单 '7'/\"x\"\\{hostile}", version=version, lead=pointing(3, 4))

    table.upsert(written)

    read = table.row(written.key)
    for field in ("key", "store", "version"):
        assert getattr(read, field) == getattr(written, field), field
    assert set(read.vectors) == {"lead"}
    np.testing.assert_allclose(read.vectors["lead"], pointing(3, 4), atol=1e-3)
    assert read.vectors["lead"].dtype == np.float32


def test_a_row_may_lack_all_vectors(table: Table) -> None:
    table.upsert(row("a/1"))

    assert dict(table.row("a/1").vectors) == {}


def test_rows_are_read_by_key_and_missing_ones_left_out(table: Table) -> None:
    table.upsert(row("a/1"), row("a/2"), row("a/3"))

    assert table.keys("a/3", "a/1", "a/1", "a/9", "'") == {"a/1", "a/3"}
    assert table.keys() == set()


def test_a_row_takes_the_place_of_the_one_of_its_key(table: Table) -> None:
    table.upsert(row("a/1", lead=pointing(1), whole=pointing(1)), row("a/2"))

    table.upsert(row("a/1", version=2, lead=pointing(0, 1)))

    assert table.count() == 2
    assert table.row("a/1").version == 2
    assert table.near(pointing(1), column="whole") == []
    assert set(table.row("a/1").vectors) == {"lead"}


def test_an_older_row_changes_nothing(table: Table) -> None:
    table.upsert(row("a/1", version=5, lead=pointing(1)))

    table.upsert(row("a/1", version=4), row("a/2"))

    assert set(table.row("a/1").vectors) == {"lead"}
    assert table.keys("a/1", "a/2") == {"a/1", "a/2"}


def test_a_row_of_the_same_version_is_written_again(table: Table) -> None:
    table.upsert(row("a/1", version=5, lead=pointing(1)))

    table.upsert(row("a/1", version=5, whole=pointing(1)))

    assert set(table.row("a/1").vectors) == {"whole"}


@pytest.mark.parametrize("versions", [(1, 3, 2), (3, 2, 1), (1, 2, 3)])
def test_of_rows_of_one_key_the_one_with_the_greatest_version_counts(
    table: Table, versions: tuple[int, ...]
) -> None:
    table.upsert(*(row("a/1", version=version, lead=pointing(1, version)) for version in versions))

    assert table.count() == 1
    np.testing.assert_allclose(table.row("a/1").vectors["lead"], pointing(1, 3), atol=1e-3)


def test_rows_are_deleted_by_key(table: Table) -> None:
    table.upsert(row("a/1", lead=pointing(1)), row("a/2"), row("a/it's"))

    table.delete("a/1", "a/it's", "a/9")

    assert table.keys("a/1", "a/2", "a/it's") == {"a/2"}
    assert table.count() == 1


def test_a_deleted_row_may_come_back_with_an_older_version(table: Table) -> None:
    table.upsert(row("a/1", version=5))
    table.delete("a/1")

    table.upsert(row("a/1", version=4))

    assert table.row("a/1").version == 4


def test_writing_or_deleting_nothing_does_nothing(table: Table) -> None:
    table.upsert()
    table.delete()

    assert table.count() == 0


def test_a_key_is_told_from_one_that_differs_in_case_or_space(table: Table) -> None:
    table.upsert(row("a/x"), row("a/X"), row("a/x "))

    table.delete("a/X")

    assert table.keys("a/x", "a/X", "a/x ") == {"a/x", "a/x "}


def test_an_empty_table_answers_every_question(table: Table) -> None:
    assert table.count() == 0
    assert table.near(pointing(1)) == []
    assert table.keys("a/1") == set()
    assert table.compact().rows == table.store.size(table.name).rows == 0
    assert table.store.count(table.name, within=ANYWHERE) == 0
