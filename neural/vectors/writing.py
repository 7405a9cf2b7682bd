"""Writing rows to the tables of indexes, and what stands in the way of it."""

import logging
from collections.abc import Collection, Mapping, Sequence

from neural.errors import PermanentError
from neural.models import SearchIndex
from neural.vectors.active import table_shape
from neural.vectors.documents import Document
from neural.vectors.rows import Vectors, rows_for
from neural.vectors.stores.base import Row, TableMissing
from neural.vectors.stores.choosing import vector_store

logger = logging.getLogger(__name__)


class IndexUnusable(PermanentError):
    """An index cannot be written until a person does something; it says what."""


def write(
    indexes: Sequence[SearchIndex],
    documents: Mapping[str, Document],
    vectors: Vectors,
    *,
    gone: Collection[str] = (),
    version: int,
) -> None:
    """Write documents, by key, to each of these indexes in one commit, and take out keys of which
    there is no record any more.

    A row is never put over one that was read later. What is taken out has no version: a record
    that is gone does not come back under its key.
    """
    for index in indexes:
        rows = rows_for(index, documents, vectors, version=version)
        try:
            _write(index, rows, gone)
        except TableMissing:
            if _is_written(index):
                _make_table(index)
                _write(index, rows, gone)


def _write(index: SearchIndex, rows: Sequence[Row], gone: Collection[str]) -> None:
    if rows:
        vector_store().upsert(index.table, rows)
    if gone:
        vector_store().delete(index.table, gone)


def _is_written(index: SearchIndex) -> bool:
    """Whether it still is: its table may have been dropped since it was looked up."""
    return SearchIndex.objects.written().filter(pk=index.pk).exists()


def _make_table(index: SearchIndex) -> None:
    """A table is made when its first rows come. One that had rows and is not there any more is
    not made anew in silence: people would search in a nearly empty one."""
    if index.rows:
        raise IndexUnusable(
            f"table {index.table} of the index of {index.collection} is not in the vector store "
            f"any more: run manage.py rebuild_index {index.collection}"
        )
    vector_store().create(index.table, table_shape(index))


def measure(indexes: Sequence[SearchIndex]) -> int:
    """Note how large the tables are; returns the most rows of one that no index covers."""
    most = 0
    for index in indexes:
        try:
            size = vector_store().size(index.table)
        except TableMissing:
            continue
        index.note_size(
            rows=size.rows, unindexed_rows=size.unindexed_rows, size=size.bytes, tended=False
        )
        most = max(most, size.unindexed_rows)
    return most
