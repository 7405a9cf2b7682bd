"""Every vector store: what is near, and within what is looked."""

import numpy as np
import pytest

from neural.retrieval.stores.base import Within
from tests.contract.rows import ANYWHERE, DIMENSIONS, Table, pointing, row

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


def test_a_query_sees_only_rows_of_its_stores(table: Table) -> None:
    nearer = [row(f"b/{n}", lead=pointing(1)) for n in range(50)]
    table.upsert(*nearer, row("a/1", lead=pointing(0, 1)), row("/none", lead=pointing(1)))

    assert table.near(pointing(1), Within(stores=frozenset(["a"])), limit=5) == ["a/1"]
    assert table.near(pointing(1), Within(stores=frozenset())) == []
    assert len(table.near(pointing(1), limit=100)) == 52


@pytest.mark.parametrize("code", [HOSTILE, "a'b", "\\", "\\'", "店'", '"', "%", "_", "a;--", ""])
def test_a_hostile_store_code_sees_its_own_rows_alone(table: Table, code: str) -> None:
    table.upsert(row(f"{code}/1", lead=pointing(1)), row("other/1", lead=pointing(1)))

    assert table.near(pointing(1), Within(stores=frozenset([code]))) == [f"{code}/1"]
    assert table.near(pointing(1), Within(stores=frozenset([f"{code} "]))) == []


def test_what_changes_is_found_at_once(table: Table) -> None:
    table.upsert(row("a/changed", lead=pointing(1)), row("a/deleted", lead=pointing(1)))
    table.near(pointing(1))

    table.upsert(row("a/changed", lead=pointing(0, 1)), row("a/new", lead=pointing(0, 0, 1)))
    table.delete("a/deleted")

    assert table.near(pointing(0, 0, 1), limit=1) == ["a/new"]
    assert table.near(pointing(0, 1), limit=1) == ["a/changed"]
    assert set(table.near(pointing(1))) == {"a/changed", "a/new"}


def test_a_large_table_answers_nearly_as_an_exact_search_would(table: Table) -> None:
    """Large enough for an approximate index, with points in groups, as texts are."""
    dice = np.random.default_rng(7)
    centres = dice.standard_normal((60, DIMENSIONS))
    points = centres[dice.integers(60, size=6_000)] + 0.4 * dice.standard_normal((6_000, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    table.upsert(*(row(f"{n % 10}/{n}", lead=point) for n, point in enumerate(points)))
    table.store.compact(table.name)

    asked = points[dice.integers(len(points), size=40)] + 0.02
    for within in (ANYWHERE, Within(stores=frozenset(["3"]))):
        assert np.mean([_recall(table, points, vector, within) for vector in asked]) >= 0.95


def _recall(table: Table, points: np.ndarray, vector: np.ndarray, within: Within) -> float:
    """Share of the ten nearest of the rows within that the table answers."""
    vector = vector / np.linalg.norm(vector)
    order = [int(n) for n in np.argsort(-(points @ vector), kind="stable")]
    if within.stores is not None:
        order = [n for n in order if str(n % 10) in within.stores]
    exact = {f"{n % 10}/{n}" for n in order[:10]}
    return len(exact & set(table.near(vector, within))) / 10
