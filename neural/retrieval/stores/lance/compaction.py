"""Maintenance of a LanceDB table: its first indexes, compaction, approximate indexes, and locks.

Writers on one machine take turns, and so do compactions of a table, so that none does its work in
vain.
"""

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

WRITERS, COMPACTORS = "writers.lock", "tenders.lock"
_KEEP_VERSIONS_FOR = dt.timedelta(minutes=10)
"""Old versions of a table are kept for so long, because a query that began on one still reads its
files."""


def compact(table: Any, shape: Shape) -> None:
    """Compact the table, bring all rows into its indexes, and make the approximate indexes that are
    due. Also those that whoever made the table was killed before making."""
    make_first(table, shape)
    optimize(table)
    for name in shape.vectors:
        nearest.make(table, vector_column(name))


def optimize(table: Any) -> None:
    """Compact the table, and bring all rows into its indexes."""
    after_conflicts(lambda: table.optimize(cleanup_older_than=_KEEP_VERSIONS_FOR))


def size_of(table: Any) -> TableSize:
    """The rows of a table, those that some index does not cover, and the bytes of its newest
    version."""
    behind = [index.num_unindexed_rows or 0 for index in table.list_indices()]
    kept = table.stats()
    return TableSize(
        rows=kept["num_rows"], unindexed_rows=max(behind, default=0), bytes=kept["total_bytes"]
    )


def make_first(table: Any, shape: Shape) -> None:
    """Make the indexes of an empty table: on keys, on the columns that filters use, and on tokens.

    Existing indexes are kept. If the process that made them was killed, the next call makes the
    missing ones.
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
    """The library must not change our tokens: it splits at white space only, and accepts any
    length."""
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
    """Hold the lock of a table against other processes of this machine; yields True.

    At an ``s3://`` location there is no lock: yields False, and writers find out at their commit
    who was first. The lock file is in the table's own directory and is dropped with it. A process
    that dies releases it.
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
