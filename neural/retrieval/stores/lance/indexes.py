"""The indexes of a LanceDB table, and its compaction.

The approximate index of a vector column (IVF-SQ) divides vectors into parts by k-means and keeps
eight bits per coordinate. A query vector is compared with those of the nearest parts. Measured with
512 dimensions, one million rows and two cores: recall@10 .95 with 32 parts, .97 with 64, .98 after
sorting by whole vectors, in 6 to 16 ms depending on the load. The index was made in half a minute
and is a quarter of the size of the vectors. Whole vectors (IVF-flat) found no more and were slower;
graphs (HNSW) and product codes found less; codes of one bit (IVF-RQ) found as much and took three
times as long to make."""

import datetime as dt
import math
from typing import Any

from neural.retrieval.stores.lance.connection import after_conflicts

# The approximate index


FROM_ROWS = 5_000
"""With fewer rows, comparing each of them is as fast as an index."""
_PROBES, _FILTERED_PROBES = 64, 128
"""Parts that are searched without and with a filter. The nearest rows that pass a filter are
further away: with a million rows and one of 300 stores, 64 parts find .90 of the ten nearest and
128 find .98."""
_FEW = 3_000
"""If the filter passes fewer rows than this, all parts are searched: 128 parts would find only
.9."""
_ALL = 0
_GROWTH = 2
"""The index is made again when it would have so many times the parts, that is, with about four
times as many rows."""
_SAMPLE, _ROUNDS = 64, 20
"""Vectors per part that k-means learns from, and its rounds. Larger numbers only took longer."""


def nearly(query: Any, *, rows: int | None) -> Any:
    """The query by cosine distance, set to use the index if there is one.

    ``rows`` is the number of rows that its filter passes, None without a filter. The maximum of
    parts is not higher than the minimum, though few queries would need more: being ready to search
    all parts takes 30 ms with a million rows.
    """
    least = _PROBES if rows is None else _FILTERED_PROBES
    most = _ALL if rows is not None and rows < _FEW else least
    probing = query.distance_type("cosine").minimum_nprobes(least).maximum_nprobes(most)
    return probing.refine_factor(1)  # sort what is found by the whole vectors


def parts_for(rows: int) -> int:
    """Into how many parts this number of rows is divided."""
    return round(math.sqrt(rows) / 2)


def make_approximate(table: Any, column: str) -> None:
    """Make the column's index, if there are enough rows for a first one or for one of more parts.

    The number of parts is in the index's name, because the library does not report it.
    """
    from lancedb.index import IvfSq

    names = {index.name for index in table.list_indices() if index.columns == [column]}
    grown = _GROWTH * max((int(name.rpartition("_")[2]) for name in names), default=0)
    least = max(parts_for(FROM_ROWS), grown)
    if parts_for(table.count_rows()) < least:
        return  # without counting the vectors, which takes longer
    parts = parts_for(table.count_rows(f"{column} IS NOT NULL"))
    if parts < least:
        return
    name = f"{column}_{parts}"
    config = IvfSq(
        distance_type="cosine", num_partitions=parts, sample_rate=_SAMPLE, max_iterations=_ROUNDS
    )
    after_conflicts(lambda: table.create_index(column, config=config, name=name, replace=True))
    for other in names - {name}:
        after_conflicts(lambda other=other: table.drop_index(other))  # type: ignore[misc]


# Compaction and the first indexes


_KEEP_VERSIONS_FOR = dt.timedelta(minutes=10)
"""Old versions of a table are kept for so long, because a query that began on one still reads its
files."""


def compact(table: Any, vectors: list[str]) -> None:
    """Compact the table, bring all rows into its indexes, and make the approximate indexes of these
    columns that are due. Also those that whoever made the table was killed before making."""
    make_first(table)
    after_conflicts(lambda: table.optimize(cleanup_older_than=_KEEP_VERSIONS_FOR))
    for column in vectors:
        make_approximate(table, column)


def make_first(table: Any) -> None:
    """Make the indexes of an empty table, on keys and stores, as far as they are missing."""
    from lancedb.index import Bitmap, BTree

    there = indexed_columns(table)
    for column, config in (("key", BTree()), ("store", Bitmap())):
        if column not in there:
            table.create_index(column, config=config, replace=False)


def indexed_columns(table: Any) -> set[str]:
    """The columns that have an index."""
    return {column for index in table.list_indices() for column in index.columns}
