"""Every vector store: tables that grow, are compacted, and change afterwards."""

import numpy as np
import pytest

from neural.retrieval.stores.base import VectorStore, Within
from tests.contract.rows import ANYWHERE, Table, pointing, row


def test_compaction_leaves_rows_and_answers_as_they_are(table: Table) -> None:
    for n in range(12):
        table.upsert(row(f"a/{n}", lead=pointing(1, n)))
    before = (table.near(pointing(1)), table.row("a/3"))

    size = table.compact()

    assert (size.rows, size.unindexed_rows) == (12, 0)
    assert size.bytes > 0
    after = (table.near(pointing(1)), table.row("a/3"))
    assert str(after) == str(before)


def test_what_changes_after_compaction_is_found_at_once(table: Table) -> None:
    table.upsert(
        row("a/changed", lead=pointing(1)),
        row("a/deleted", lead=pointing(1)),
    )
    table.compact()

    table.upsert(
        row("a/changed", version=2, lead=pointing(0, 1)),
        row("a/new", lead=pointing(0, 0, 1)),
    )
    table.delete("a/deleted")

    assert table.near(pointing(0, 0, 1), limit=1) == ["a/new"]
    assert table.near(pointing(0, 1), limit=1) == ["a/changed"]
    assert set(table.near(pointing(1))) == {"a/changed", "a/new"}


def test_the_size_tells_rows_that_are_not_indexed_yet_and_compaction_ends_that(
    store: VectorStore, table: Table
) -> None:
    table.upsert(*(row(f"a/{n}", lead=pointing(1, n)) for n in range(10)))

    assert store.size(table.name).rows == 10
    assert 0 <= store.size(table.name).unindexed_rows <= 10

    table.compact()

    assert store.size(table.name).unindexed_rows == 0


def test_a_large_table_answers_nearly_as_an_exact_search_would(table: Table) -> None:
    """Large enough for an approximate index, with points in groups, as texts are."""
    dice = np.random.default_rng(7)
    centres = dice.standard_normal((60, 16))
    points = centres[dice.integers(60, size=12_000)] + 0.4 * dice.standard_normal((12_000, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    table.upsert(*(row(f"{n % 10}/{n}", lead=point) for n, point in enumerate(points)))
    table.compact()

    asked = points[dice.integers(12_000, size=40)] + 0.02
    everywhere = [_recall(table, points, vector, ANYWHERE) for vector in asked]
    in_one_store = [
        _recall(table, points, vector, Within(stores=frozenset(["3"]))) for vector in asked
    ]

    assert np.mean(everywhere) >= 0.95
    assert np.mean(in_one_store) >= 0.95


def _recall(table: Table, points: np.ndarray, vector: np.ndarray, within: Within) -> float:
    """Share of the ten nearest of the rows within that the table answers."""
    vector = vector / np.linalg.norm(vector)
    order = [int(n) for n in np.argsort(-(points @ vector), kind="stable")]
    if within.stores is not None:
        order = [n for n in order if str(n % 10) in within.stores]
    exact = {f"{n % 10}/{n}" for n in order[:10]}
    return len(exact & set(table.near(vector, within))) / 10


@pytest.mark.parametrize("times", [1, 2])
def test_a_table_may_be_compacted_again(table: Table, times: int) -> None:
    table.upsert(row("a/1"))

    for _ in range(times):
        table.compact()
