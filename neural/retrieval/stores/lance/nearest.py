"""The approximate index of a vector column: when it is made, and how it is asked.

Vectors are parted by k-means and kept with eight bits a coordinate (IVF-SQ); a question is
compared with those of the nearest parts. Measured with 512 dimensions, one million rows and two
cores: recall@10 .95 with 32 parts, .97 with 64, .98 once put in order by whole vectors, in 6 to
16 ms by what else ran; made in half a minute, a quarter of the size of the vectors themselves.
Whole vectors (IVF-flat) found no more and were slower; graphs (HNSW) and product codes found
less; codes of one bit (IVF-RQ) found as much and took three times as long to make.
"""

import math
from typing import Any

from neural.retrieval.stores.lance.connection import after_conflicts

FROM_ROWS = 5_000
"""Fewer are compared one by one as quickly."""
_PROBES, _FILTERED_PROBES = 64, 128
"""Parts that a question is compared with. Of rows that a filter leaves, the nearest are further
away: at a million rows and one of 300 stores, 64 find .90 of the ten nearest and 128 .98."""
_FEW = 3_000
"""Of fewer rows that a filter leaves all are compared: what 128 parts find falls to .9."""
_ALL = 0
_GROWTH = 2
"""Made anew with so many times the parts: when there are about four times as many rows."""
_SAMPLE, _ROUNDS = 64, 20
"""Vectors a part and rounds that k-means learns from: more of them changed nothing but the time."""


def nearly(query: Any, *, rows: int | None) -> Any:
    """A query by cosine distance that asks the index, where there is one.

    ``rows`` are those that its filter leaves, None without a filter. More parts are not allowed
    than are asked, though few would need them: to be ready for all takes 30 ms of a million rows.
    """
    least = _PROBES if rows is None else _FILTERED_PROBES
    most = _ALL if rows is not None and rows < _FEW else least
    probing = query.distance_type("cosine").minimum_nprobes(least).maximum_nprobes(most)
    return probing.refine_factor(1)  # what was found is put in order by the vectors themselves


def make(table: Any, column: str) -> None:
    """Make the column's index if there are enough rows for the first, or for one of more parts.

    How many parts an index has stands in its name, as the library does not tell.
    """
    if parts_for(table.count_rows()) < _GROWTH * _parts_of(table, column):
        return
    parts = parts_for(table.count_rows(f"{column} IS NOT NULL"))
    if parts >= max(parts_for(FROM_ROWS), _GROWTH * _parts_of(table, column)):
        after_conflicts(lambda: _train(table, column, parts))
        after_conflicts(lambda: _drop_others(table, column, parts))


def parts_for(rows: int) -> int:
    """How many parts so many rows are divided into."""
    return round(math.sqrt(rows) / 2)


def _train(table: Any, column: str, parts: int) -> None:
    from lancedb.index import IvfSq

    config = IvfSq(
        distance_type="cosine",
        num_partitions=parts,
        sample_rate=_SAMPLE,
        max_iterations=_ROUNDS,
    )
    table.create_index(column, config=config, name=_name(column, parts), replace=True)


def _drop_others(table: Any, column: str, parts: int) -> None:
    for index in table.list_indices():
        if index.columns == [column] and index.name != _name(column, parts):
            table.drop_index(index.name)


def _parts_of(table: Any, column: str) -> int:
    """Parts of the column's index, 0 if it has none."""
    names = [index.name for index in table.list_indices() if index.columns == [column]]
    return max((int(name.rpartition("_")[2]) for name in names), default=0)


def _name(column: str, parts: int) -> str:
    return f"{column}_{parts}"
