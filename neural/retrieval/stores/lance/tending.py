"""Keeping a table in order: compaction, indexes of all rows, approximate indexes."""

import datetime as dt
from typing import Any

from neural.retrieval.stores.base import Shape, TableSize
from neural.retrieval.stores.lance import near
from neural.retrieval.stores.lance.errors import after_conflicts
from neural.retrieval.stores.lance.rows import vector_column

_KEEP_VERSIONS_FOR = dt.timedelta(minutes=10)
"""A query that began on an older version of the table still finds its files."""


def tend(table: Any, shape: Shape) -> None:
    """Compact, bring all rows into the indexes that there are, and make those that are due."""
    after_conflicts(lambda: table.optimize(cleanup_older_than=_KEEP_VERSIONS_FOR))
    for name in shape.vectors:
        near.make(table, vector_column(name))


def size_of(table: Any) -> TableSize:
    """Rows, those that some index does not cover, and bytes of the newest version."""
    behind = [index.num_unindexed_rows or 0 for index in table.list_indices()]
    kept = table.stats()
    return TableSize(
        rows=kept["num_rows"], unindexed_rows=max(behind, default=0), bytes=kept["total_bytes"]
    )
