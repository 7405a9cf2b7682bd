"""LanceDB as a vector store: what only it can do wrong."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neural.retrieval.stores.base import (
    Row,
    Shape,
    StoreUnavailable,
    TableRefused,
    ValueRefused,
    Within,
)
from neural.retrieval.stores.lance import connection as lance_connection
from neural.retrieval.stores.lance import indexes as lance_compaction
from neural.retrieval.stores.lance import indexes as lance_nearest
from neural.retrieval.stores.lance.connection import after_conflicts
from neural.retrieval.stores.lance.store import LanceStore

SHAPE = Shape(vectors=("whole",), dimensions=64)
EVERYWHERE = Within(stores=None)


def row(number: int, **fields) -> Row:
    """A row of store s."""
    return Row(key=f"s/{number}", store="s", **{"version": 1, **fields})


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    """A store with an empty table."""
    made = LanceStore(str(tmp_path / "search"))
    made.create("dishes", SHAPE)
    return made


def test_nothing_is_loaded_or_made_before_the_first_call(tmp_path: Path) -> None:
    location = tmp_path / "search"
    script = (
        "import sys\n"
        "from neural.retrieval.stores.lance.store import LanceStore\n"
        f"LanceStore({str(location)!r})\n"
        "assert not {'lancedb', 'pyarrow'} & set(sys.modules)\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True)

    assert not location.exists()


def test_an_open_store_keeps_no_process_from_ending_and_says_nothing(tmp_path: Path) -> None:
    script = (
        "from neural.retrieval.stores.lance.store import LanceStore\n"
        "from tests.unit.retrieval.test_search_lance import SHAPE, row\n"
        f"store = LanceStore({str(tmp_path)!r})\n"
        "store.create('dishes', SHAPE)\n"
        "store.upsert('dishes', [row(1)])\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], timeout=240, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_location_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(StoreUnavailable, match=str(file)):
        LanceStore(str(file)).create("dishes", SHAPE)
    with pytest.raises(StoreUnavailable, match="/proc/search"):
        LanceStore("/proc/search").tables()


def test_a_broken_table_is_named_and_others_are_read(store: LanceStore, tmp_path: Path) -> None:
    store.create("orders", SHAPE)
    for manifest in (tmp_path / "search/dishes.lance/_versions").iterdir():
        manifest.write_bytes(b"junk")

    with pytest.raises(StoreUnavailable, match="'dishes'"):
        LanceStore(str(tmp_path / "search")).count("dishes", within=EVERYWHERE)
    assert store.count("orders", within=EVERYWHERE) == 0


def test_a_table_of_another_shape_is_refused_for_good(store: LanceStore) -> None:
    with pytest.raises(TableRefused, match="dimensions=64"):
        store.create("dishes", Shape(vectors=("whole",), dimensions=32))


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", ".x", "x" * 41])
def test_a_name_that_is_no_name_is_refused(store: LanceStore, name: str) -> None:
    with pytest.raises(TableRefused, match="cannot be a table's name"):
        store.create(name, SHAPE)


def test_a_character_that_no_filter_can_hold_is_refused_for_good(store: LanceStore) -> None:
    with pytest.raises(ValueRefused):
        store.count("dishes", within=Within(stores=frozenset(["a\0b"])))


def test_a_vector_of_another_length_is_refused_for_good(store: LanceStore) -> None:
    short = np.ones(1, dtype=np.float32)

    with pytest.raises(ValueRefused, match="64 dimensions"):
        store.upsert("dishes", [row(1, vectors={"whole": short})])
    with pytest.raises(ValueRefused, match="64 dimensions"):
        store.nearest("dishes", column="whole", vector=short, within=EVERYWHERE, limit=1)


def test_a_vector_without_direction_is_near_nothing(store: LanceStore) -> None:
    nothing, something = np.zeros(64, dtype=np.float32), np.full(64, 1 / 8, dtype=np.float32)
    vectors = [nothing, something, something]
    store.upsert("dishes", [row(n, vectors={"whole": v}) for n, v in enumerate(vectors)])

    def near(vector: np.ndarray) -> list[str]:
        asked = {"column": "whole", "within": EVERYWHERE, "limit": 5}
        return [match.key for match in store.nearest("dishes", vector=vector, **asked)]

    assert near(something) == ["s/1", "s/2"]
    assert near(nothing) == []


def test_a_batch_of_which_no_row_has_a_vector_is_kept(store: LanceStore) -> None:
    store.upsert("dishes", [row(1), row(2)])

    assert store.count("dishes", within=EVERYWHERE) == 2


def test_what_another_process_wrote_is_seen_at_once(store: LanceStore, tmp_path: Path) -> None:
    other = LanceStore(str(tmp_path / "search"))
    other.upsert("dishes", [row(1)])
    assert store.count("dishes", within=EVERYWHERE) == 1

    other.upsert("dishes", [row(2)])
    assert store.rows("dishes", ["s/2"], within=EVERYWHERE).keys() == {"s/2"}


def test_a_location_may_be_an_address(tmp_path: Path) -> None:
    """As of a bucket: there writers take no turns."""
    store = LanceStore(f"file://{tmp_path}/search")
    store.create("dishes", SHAPE)

    store.upsert("dishes", [row(1), row(2)])
    store.upsert("dishes", [row(1, version=2)])
    store.delete("dishes", ["s/2"])

    assert store.compact("dishes").rows == 1
    assert store.rows("dishes", ["s/1"], within=EVERYWHERE)["s/1"].version == 2
    assert not list(tmp_path.rglob("*.lock"))


def test_threads_may_share_one_store(store: LanceStore) -> None:
    def write(number: int) -> int:
        store.upsert("dishes", [row(number), row(1000, version=number)])
        return store.count("dishes", within=EVERYWHERE)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(20)))

    assert store.count("dishes", within=EVERYWHERE) == 21
    assert store.rows("dishes", ["s/1000"], within=EVERYWHERE)["s/1000"].version == 19


def test_a_conflict_of_writers_is_tried_again() -> None:
    failures = iter([RuntimeError("Retryable commit conflict for version 7"), OSError("conflict")])

    def attempt() -> str:
        for failure in failures:
            raise failure
        return "written"

    assert after_conflicts(attempt) == "written"


def test_what_is_no_conflict_is_not_tried_again_and_conflicts_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, time_that: Any
) -> None:
    monkeypatch.setattr(lance_connection, "_PATIENCE_SECONDS", 0.2)
    attempts = []

    def attempt(said: str) -> None:
        attempts.append(said)
        raise RuntimeError(said)

    with pytest.raises(RuntimeError, match="disk full"):
        after_conflicts(lambda: attempt("disk full"))
    assert len(attempts) == 1

    began = time.monotonic()
    with pytest.raises(RuntimeError, match="conflict"):
        after_conflicts(lambda: attempt("commit conflict"))
    assert len(attempts) > 2
    assert time.monotonic() - began < 1


def test_an_approximate_index_is_made_when_there_are_enough_vectors_and_anew_as_they_grow(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_nearest, "FROM_ROWS", 400)
    dice = np.random.default_rng(5)
    vectors = dice.standard_normal((2000, 64), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def grow(start: int, stop: int) -> list[str]:
        """Write these, every other without a vector; names of the column's indexes afterwards."""
        given = [{"whole": vectors[n]} if n % 2 else {} for n in range(start, stop)]
        store.upsert("dishes", [row(start + n, vectors=each) for n, each in enumerate(given)])
        assert store.compact("dishes").unindexed_rows == 0
        with store._connection.table("dishes") as table:
            return [i.name for i in table.list_indices() if i.columns == ["vector_whole"]]

    assert grow(0, 500) == []  # 250 vectors
    assert grow(500, 900) == ["vector_whole_11"]  # 450 vectors: half the root
    assert grow(900, 1000) == ["vector_whole_11"]
    assert grow(1000, 2000) == ["vector_whole_11"]
    assert grow(2000, 2000) == ["vector_whole_11"]

    monkeypatch.setattr(lance_nearest, "_GROWTH", 1.4)
    assert grow(2000, 2000) == ["vector_whole_16"]  # 1,000 vectors
    asked = {"column": "whole", "within": EVERYWHERE, "limit": 1}
    for number in (1, 501, 1999):
        [found] = store.nearest("dishes", vector=vectors[number], **asked)
        assert found.key == f"s/{number}"
        assert found.score == pytest.approx(1, abs=0.02)


def test_compaction_makes_the_indexes_that_whoever_made_the_table_did_not_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LanceStore(str(tmp_path / "search"))
    with monkeypatch.context() as killed:
        killed.setattr(lance_compaction, "make_first", lambda table: None)
        store.create("dishes", SHAPE)
    store.upsert("dishes", [row(number) for number in range(5)])

    store.compact("dishes")

    with store._connection.table("dishes") as table:
        assert {"key", "store"} <= lance_compaction.indexed_columns(table)
    assert store.size("dishes").unindexed_rows == 0


def test_a_table_that_another_writer_is_making_is_opened_once_it_is_there(
    store: LanceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LanceDB lists a table before it can be opened."""
    store.upsert("dishes", [row(1)])
    connection = lance_connection.Connection(str(tmp_path / "search"), {})
    database = connection.database()
    open_table, refused = database.open_table, iter([True, True, False])

    def not_yet(name: str):
        if next(refused):
            raise ValueError(f"Table '{name}' was not found")
        return open_table(name)

    monkeypatch.setattr(database, "open_table", not_yet)

    with connection.table("dishes") as table:
        assert table.count_rows() == 1
