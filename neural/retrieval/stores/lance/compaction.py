"""Keeping a table in order: the indexes that it has from the beginning, compaction, the approximate
indexes, and whose turn it is: writers of one machine take turns, and so do those that compact a
table, so that none works in vain."""

import datetime as dt
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neural.retrieval.stores.base import Shape, TableSize
from neural.retrieval.stores.lance import nearest
from neural.retrieval.stores.lance.connection import after_conflicts
from neural.retrieval.stores.lance.rows import token_column, vector_column

WRITERS, COMPACTORS = "writers.lock", "compactors.lock"
_KEEP_VERSIONS_FOR = dt.timedelta(minutes=10)
"""A query that began on an older version of the table still finds its files."""


def compact(table: Any, shape: Shape) -> None:
    """Compact, bring all rows into the indexes that there are, and make those that are due."""
    optimize(table)
    for name in shape.vectors:
        nearest.make(table, vector_column(name))


def optimize(table: Any) -> None:
    """Compact it, and bring all rows into the indexes that there are."""
    after_conflicts(lambda: table.optimize(cleanup_older_than=_KEEP_VERSIONS_FOR))


def size_of(table: Any) -> TableSize:
    """Rows, those that some index does not cover, and bytes of the newest version."""
    behind = [index.num_unindexed_rows or 0 for index in table.list_indices()]
    kept = table.stats()
    return TableSize(
        rows=kept["num_rows"], unindexed_rows=max(behind, default=0), bytes=kept["total_bytes"]
    )


def make_first(table: Any, shape: Shape) -> None:
    """The indexes that an empty table gets: on keys, on what filters ask for, and on tokens.

    Made once and kept from then on, so that a table of which only some were made (its maker was
    killed) is completed by whoever makes it again.
    """
    there = indexed_columns(table)
    for column, config in _first(shape).items():
        if column not in there:
            table.create_index(column, config=config, replace=False)


def indexed_columns(table: Any) -> set[str]:
    """The columns that have an index."""
    return {column for index in table.list_indices() for column in index.columns}


def _first(shape: Shape) -> dict[str, Any]:
    from lancedb.index import FTS, Bitmap, BTree

    return {
        "key": BTree(),
        "store": Bitmap(),
        "kind": Bitmap(),
        "at": BTree(),
        **{token_column(name): _tokens(FTS) for name in shape.tokens},
    }


def _tokens(config: Any) -> Any:
    """Tokens are ours: kept as they are, of any length."""
    return config(
        base_tokenizer="whitespace",
        with_position=False,
        max_token_length=None,
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
    )


@contextmanager
def turn(location: str, table: str, *, of: str) -> Iterator[bool]:
    """Do what others of this machine do only afterwards or did before; True if that is certain.

    At an ``s3://`` location nobody can be kept waiting: False, and writers find out at their
    commit who came first. The lock lies in the table's own directory, is dropped with it, and is
    let go of by a process that dies.
    """
    if "://" in location:
        yield False
        return
    opened = os.open(Path(location) / f"{table}.lance" / of, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield True
    finally:
        os.close(opened)
