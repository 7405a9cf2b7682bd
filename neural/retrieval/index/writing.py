"""Writing documents to the tables of indexes, including tables that are missing."""

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from neural.errors import PermanentError
from neural.retrieval.choosing import vector_store
from neural.retrieval.collections.documents import Document
from neural.retrieval.conf import conf
from neural.retrieval.index.active import its_embedder, table_shape
from neural.retrieval.index.rows import Vectors, rows_for
from neural.retrieval.models import IndexGap, SearchIndex
from neural.retrieval.stores.base import Row, TableMissing

logger = logging.getLogger(__name__)


class IndexUnusable(PermanentError):
    """An index cannot be written until a person does something; the message says what."""


def write(
    indexes: Sequence[SearchIndex],
    documents: Mapping[str, Document],
    vectors: Vectors,
    *,
    gone: Collection[str] = (),
    version: int,
) -> None:
    """Write documents by key to each of these indexes, and remove the keys in ``gone``, which have
    no record any more.

    A row never replaces one with a greater ``version``. A removed row leaves no version behind: a
    record that is gone does not come back under its key.
    """
    for index in indexes:
        rows = rows_for(index, documents, vectors, version=version)
        _note_gaps(index, documents, version)
        try:
            _write(index, rows, gone)
        except TableMissing:
            if _is_written(index):
                _make_table(index)
                _write(index, rows, gone)


def _note_gaps(index: SearchIndex, documents: Mapping[str, Document], version: int) -> None:
    """Note gaps if this process lacks the index's model, so that a process that has it adds the
    vectors. This comes before the write, so that a row without vectors always has a gap."""
    if documents and index.vectors and its_embedder(index) is None:
        IndexGap.objects.note(index, documents.keys(), version=version)
        _log_gaps(index.pk, index.collection, index.embedder)


@lru_cache
def _log_gaps(number: int, collection: str, model: str) -> None:
    """Cached: logged once per process and index."""
    logger.warning(
        "event=index_of_another_model index='%s #%d' model=%s settings=%s reason='written by "
        "words alone: a worker with its model adds the vectors, or manage.py rebuild_index %s'",
        collection,
        number,
        model,
        conf().embedder,
        collection,
    )


def _write(index: SearchIndex, rows: Sequence[Row], gone: Collection[str]) -> None:
    if rows:
        vector_store().upsert(index.table, rows)
    if gone:
        vector_store().delete(index.table, gone)


def _is_written(index: SearchIndex) -> bool:
    """Whether the index is still in use. If it is not, its table may have been dropped."""
    return SearchIndex.objects.written().filter(pk=index.pk).exists()


def _make_table(index: SearchIndex) -> None:
    """A table is made when its first rows come. A table that had rows and is missing is not made
    again, as people would then search a nearly empty index without a warning."""
    if index.rows:
        raise IndexUnusable(
            f"table {index.table} of the index of {index.collection} is not in the vector store "
            f"any more: run manage.py rebuild_index {index.collection}"
        )
    vector_store().create(index.table, table_shape(index))


def measure(indexes: Sequence[SearchIndex]) -> int:
    """Record the sizes of the tables; returns the largest number of unindexed rows of one table."""
    most = 0
    for index in indexes:
        try:
            size = vector_store().size(index.table)
        except TableMissing:
            continue
        index.note_size(
            rows=size.rows, unindexed_rows=size.unindexed_rows, size=size.bytes, compacted=False
        )
        most = max(most, size.unindexed_rows)
    return most
