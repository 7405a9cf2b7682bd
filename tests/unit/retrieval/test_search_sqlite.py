"""What files of SQLite do beyond the contract of vector stores, and where the project uses them."""

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from neural.retrieval.stores.base import (
    Shape,
    StoreUnavailable,
    TableMissing,
    TableRefused,
    ValueRefused,
)
from neural.retrieval.stores.sqlite import SUFFIX, SqliteStore
from tests.contract.rows import ANYWHERE, SHAPE, Table, pointing, row

ROOT = Path(__file__).parents[3]


@pytest.fixture
def table(tmp_path) -> Table:
    store = SqliteStore(str(tmp_path))
    store.create("dishes", SHAPE)
    return Table(store, "dishes")


def test_a_vector_of_another_length_is_refused_for_good(table):
    short = np.ones(1, dtype=np.float32)

    with pytest.raises(ValueRefused, match="16 dimensions"):
        table.upsert(row("a/1", lead=short))
    with pytest.raises(ValueRefused, match="16 dimensions"):
        table.near(short)


def test_a_vector_without_direction_is_near_nothing(table):
    nothing = np.zeros(16, dtype=np.float32)
    table.upsert(row("a/1", lead=nothing), row("a/2", lead=pointing(1)))

    assert table.near(pointing(1)) == ["a/2"]
    assert table.near(nothing) == []


def test_a_table_of_another_shape_is_refused(table):
    with pytest.raises(TableRefused, match="is there with"):
        table.store.create("dishes", Shape(vectors=("lead",), dimensions=16))


def test_text_that_is_no_unicode_is_refused_for_good(table):
    with pytest.raises(ValueRefused):
        table.upsert(row("a/\ud800"))
    assert table.count() == 0


def test_a_damaged_file_is_said_to_be_unreadable(table, tmp_path):
    (tmp_path / f"dishes{SUFFIX}").write_bytes(b"no database " * 1000)

    with pytest.raises(StoreUnavailable, match="cannot be read or written: file is not a database"):
        table.count()


def test_what_a_killed_process_left_without_a_table_is_made_anew(table, tmp_path):
    sqlite3.connect(tmp_path / f"orders{SUFFIX}").execute("PRAGMA journal_mode = WAL").close()

    with pytest.raises(TableMissing):
        table.store.count("orders", within=ANYWHERE)
    table.store.create("orders", SHAPE)
    assert table.store.count("orders", within=ANYWHERE) == 0


def test_compaction_gives_back_the_room_of_deleted_rows(table):
    keys = [f"a/{n}" for n in range(2000)]
    table.upsert(*(row(key, lead=pointing(1)) for key in keys))
    before = table.compact().bytes

    table.delete(*keys[10:])

    assert table.compact().bytes < before / 4
    assert table.count() == 10


def test_a_child_of_a_process_that_has_searched_searches(table):
    table.upsert(row("a/1", lead=pointing(1)))
    table.near(pointing(1))

    child = os.fork()
    if not child:
        os._exit(0 if table.near(pointing(1)) == ["a/1"] else 1)

    assert os.waitpid(child, 0)[1] == 0
