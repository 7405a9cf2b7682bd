"""Turning records into rows of indexes, and writing them, also to tables that are missing."""

import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from neural.kit.errors import NeuralError, PermanentError
from neural.ledger import dialects
from neural.models import Store
from neural.retrieval.choosing import embedder, vector_store
from neural.retrieval.collections.documents import Document, parts_of
from neural.retrieval.collections.registry import Record, document_of
from neural.retrieval.conf import conf
from neural.retrieval.embedders.base import EmbedderRefused, unit_length
from neural.retrieval.embedders.base import Vectors as Embeddings
from neural.retrieval.index.active import its_embedder
from neural.retrieval.index.batches import bisect, reason_of
from neural.retrieval.index.fields import TOKEN_FORM, shape_of, texts_of, tokens_of
from neural.retrieval.models import OutboxEntry, SearchIndex, SearchRow
from neural.retrieval.stores import words
from neural.retrieval.stores.base import Row, TableMissing, Vector

# Documents, tokens and vectors of records


logger = logging.getLogger(__name__)

Vectors = Mapping[str, Vector]
"""Vectors by text. A text without anything readable has none."""


def version_now() -> int:
    """The version of records that are read after this call. It is greater than that of all records
    read before, by the database's clock, which all workers share."""
    return dialects.ledger_dialect().microseconds(dialects.ledger_connection())


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The documents of records by key, and for each other record the reason why it has none."""

    read: Mapping[str, Document]
    refused: Mapping[str, str]
    unwanted: Collection[str] = ()
    """Refused records that are no longer documents, so their rows are removed. For the other
    refused ones code failed, and the index keeps their old rows."""


def documents_of(collection: str, records: Mapping[str, Record]) -> Documents:
    """The documents of these records of a collection."""
    codes = {parts_of(key)[0] for key in records}
    stores = dict(Store.objects.filter(pk__in=codes).values_list("pk", "name"))
    read: dict[str, Document] = {}
    refused: dict[str, str] = {}
    unwanted: set[str] = set()
    for key, record in records.items():
        try:
            read[key] = document_of(collection, record, stores=stores)
        except Exception as error:  # noqa: BLE001 (an app's own function: others go on)
            is_ours = isinstance(error, NeuralError)
            refused[key] = str(error) if is_ours else f"{collection}: {key}: {reason_of(error)}"
            unwanted |= {key} if is_ours else set()
    return Documents(read=read, refused=refused, unwanted=unwanted)


def vectors_for(documents: Iterable[Document], indexes: Sequence[SearchIndex]) -> Vectors:
    """Vectors of all texts that these indexes need, computed in one call. Do not call it in a
    transaction: a model is slow, and a remote one slower."""
    columns = {
        column for index in indexes if not _lacks_its_model(index) for column in index.vectors
    }
    texts = (texts_of(each, sorted(columns)).values() for each in documents)
    wanted = {text for own in texts for some in own for text in some}
    if not wanted:
        return {}
    made = (zip(*each, strict=True) for each in _embedded(sorted(wanted)))
    return {text: vector for each in made for text, vector in each if np.any(vector)}


def vectors_of(document: Document, columns: Sequence[str], vectors: Vectors) -> dict[str, Vector]:
    """The vector of each of these columns for which a text has one."""
    made = {
        column: [vectors[text] for text in texts if text in vectors]
        for column, texts in texts_of(document, columns).items()
    }
    means = {column: np.sum(some, axis=0) for column, some in made.items() if some}
    return {column: unit_length(mean[np.newaxis])[0] for column, mean in means.items()}


def _embedded(texts: Sequence[str]) -> Sequence[tuple[Sequence[str], Embeddings]]:
    """Vectors of texts. A text that the model refuses for its content gets none, and its record is
    found by words. If the model refuses every text, it is set up wrongly and the error is
    raised."""
    try:
        return [(texts, embedder().embed(texts))]
    except EmbedderRefused:
        embedder().embed([f"one text, {time.time_ns()}"])  # a new text: old ones are cached
    done, failed = bisect(
        texts,
        lambda some: (some, embedder().embed(some)),
        blames=lambda error: isinstance(error, EmbedderRefused),
    )
    for text, error in failed:
        logger.warning("event=text_refused text=%r reason=%r", text[:80], str(error))
    return done


def search_row(index: SearchIndex, key: str, document: Document, *, version: int) -> SearchRow:
    """The row of a document in the database."""
    facts = {name: words.stored(value) for name, value in document.facts.items()}
    scope = {
        words.in_index(index.pk),
        words.in_store(index.pk, document.store),
        words.with_fact("kind", document.kind),
        *(words.with_fact(name, value) for name, value in facts.items()),
    }
    return SearchRow(
        index=index,
        key=key,
        version=version,
        facts=facts,
        words=tokens_of(document) | scope,
        lacks_vectors=_lacks_its_model(index),
        **{name: getattr(document, name) for name in _AS_IN_THE_DOCUMENT},
    )


_AS_IN_THE_DOCUMENT = ("store", "kind", "at", "title", "names", "numbers", "also", "text")


def _lacks_its_model(index: SearchIndex) -> bool:
    """Whether this process cannot make the index's vectors: mixed models would not compare."""
    return bool(index.vectors) and its_embedder(index) is None


# The tables


class IndexUnusable(PermanentError):
    """An index cannot be written until a person does something; the message says what."""


def write(
    indexes: Sequence[SearchIndex],
    records: Mapping[str, Record],
    *,
    version: int,
    gone: Collection[str] = (),
) -> Documents:
    """Write the documents of these records of one collection, read at ``version``, to each of its
    indexes; returns them. Remove the keys in ``gone``, which have no record any more, and those of
    records that are no longer documents.

    A row never replaces one with a greater version. A removed row leaves no version behind: a
    record that is gone does not come back under its key. Vectors have no versions: they are written
    after the rows, and a record of which another run has written a later state by then is indexed
    again. This does not run in a transaction, because models and stores are slow.
    """
    collection = indexes[0].collection
    documents = documents_of(collection, records)
    vectors = vectors_for(documents.read.values(), indexes)
    gone = [*gone, *documents.unwanted]
    for index in indexes:
        rows = [search_row(index, *each, version=version) for each in documents.read.items()]
        if rows:
            words.upsert(index.pk, rows)
        if gone:
            words.delete(index.pk, gone)
        # An older table has another shape, and is being rebuilt.
        if index.vectors and index.token_form == TOKEN_FORM:
            _write_vectors(index, documents.read, vectors, gone)
    newer = SearchRow.objects.filter(
        index__in=indexes, key__in=documents.read, version__gt=version
    ).values_list("key", flat=True)
    OutboxEntry.objects.append(collection, set(newer), ingested=True, history=True)
    return documents


def _write_vectors(
    index: SearchIndex,
    documents: Mapping[str, Document],
    vectors: Vectors,
    gone: Collection[str],
) -> None:
    """Write the rows of the vector store. They have no vectors if this process lacks the index's
    model; a process that has it adds them."""
    columns = index.vectors
    if documents and _lacks_its_model(index):
        columns = []
        _log_gaps(index)
    rows = [
        Row(key=key, store=each.store, vectors=vectors_of(each, columns, vectors))
        for key, each in documents.items()
    ]
    try:
        _change(index, rows, gone)
    except TableMissing:
        # If the index is not in use any more, its table may have been dropped.
        if SearchIndex.objects.written().filter(pk=index.pk).exists():
            _make_table(index)
            _change(index, rows, gone)


@lru_cache
def _log_gaps(index: SearchIndex) -> None:
    """Cached: logged once per process and index."""
    logger.warning(
        "event=index_of_another_model index=%r model=%s settings=%s reason='written by words "
        "alone: a worker with its model adds the vectors, or manage.py rebuild_index %s'",
        str(index),
        index.embedder,
        conf().embedder,
        index.collection,
    )


def _change(index: SearchIndex, rows: Sequence[Row], gone: Collection[str]) -> None:
    if rows:
        vector_store().upsert(index.table, rows)
    if gone:
        vector_store().delete(index.table, gone)


def _make_table(index: SearchIndex) -> None:
    """A table is made when its first rows come. A table that had rows and is missing is not made
    again, as people would then search a nearly empty index without a warning."""
    if index.rows:
        raise IndexUnusable(
            f"table {index.table} of the index of {index.collection} is not in the vector store "
            f"any more: run manage.py rebuild_index {index.collection}"
        )
    vector_store().create(index.table, shape_of(index.vectors, index.dimensions))


def measure(indexes: Iterable[SearchIndex]) -> None:
    """Record how many rows the indexes have, and the sizes of the tables of their vectors."""
    for index in indexes:
        with suppress(TableMissing):
            size = vector_store().size(index.table) if index.vectors else 0
            index.note_size(rows=SearchRow.objects.filter(index=index).count(), bytes=size)
