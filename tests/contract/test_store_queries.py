"""Every vector store: what is near, what matches, and within what is looked."""

import pytest

from neural.retrieval.stores.base import Within
from tests.contract.rows import ANYWHERE, Table, pointing, row

HOSTILE = "' OR 1=1 --"


def test_rows_come_by_cosine_similarity(table: Table) -> None:
    table.upsert(
        row("a/opposite", lead=pointing(-1)),
        row("a/same", lead=pointing(1)),
        row("a/between", lead=pointing(1, 1)),
    )

    found = table.store.nearest(
        table.name, column="lead", vector=pointing(1), within=ANYWHERE, limit=10
    )

    assert [match.key for match in found] == ["a/same", "a/between", "a/opposite"]
    assert [match.score for match in found] == pytest.approx([1, 0.5**0.5, -1], abs=1e-3)


def test_each_vector_column_is_searched_alone_and_rows_without_it_left_out(table: Table) -> None:
    table.upsert(row("a/1", lead=pointing(1)), row("a/2", whole=pointing(0, 1)), row("a/3"))

    assert table.near(pointing(1)) == ["a/1"]
    assert table.near(pointing(1), column="whole") == ["a/2"]


def test_no_more_rows_are_answered_than_asked_for_and_the_best_of_them(table: Table) -> None:
    table.upsert(*(row(f"a/{n}", lead=pointing(1, n)) for n in range(8)))

    assert table.near(pointing(1), limit=3) == ["a/0", "a/1", "a/2"]


@pytest.mark.parametrize("compacted", [False, True])
def test_a_query_sees_only_rows_of_its_stores(table: Table, compacted: bool) -> None:
    nearer = [row(f"b/{n}", lead=pointing(1)) for n in range(50)]
    table.upsert(*nearer, row("a/1", lead=pointing(0, 1)), row("/none"))
    if compacted:
        table.compact()

    only_a = Within(stores=frozenset(["a"]))

    assert table.near(pointing(1), only_a, limit=5) == ["a/1"]
    assert table.keys("a/1", "b/1", "/none", within=only_a) == {"a/1"}
    assert table.count(only_a) == 1
    assert table.count(Within(stores=frozenset(["a", "b"]))) == 51
    assert table.count() == 52


def test_who_may_see_no_store_finds_nothing(table: Table) -> None:
    table.upsert(row("a/1", lead=pointing(1)), row("/2"))

    nobody = Within(stores=frozenset())

    assert table.near(pointing(1), nobody) == []
    assert table.keys("a/1", "/2", within=nobody) == set()
    assert table.count(nobody) == 0


@pytest.mark.parametrize("code", [HOSTILE, "a'b", "\\", "\\'", "店'", '"', "%", "_", "a;--", ""])
def test_a_hostile_store_code_sees_its_own_rows_alone(table: Table, code: str) -> None:
    table.upsert(
        row(f"{code}/1", lead=pointing(1)),
        row("other/1", lead=pointing(1)),
    )

    own = Within(stores=frozenset([code]))

    assert table.near(pointing(1), own) == [f"{code}/1"]
    assert table.count(own) == 1
    assert table.keys(f"{code}/1", "other/1", within=own) == {f"{code}/1"}
    assert table.count(Within(stores=frozenset([f"{code} "]))) == 0
