"""Turning records into rows of an index: documents, tokens and vectors."""

import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neural.errors import NeuralError
from neural.ledger import dialects
from neural.retrieval.choosing import embedder
from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.registry import Record, document_of
from neural.retrieval.embedders.base import EmbedderRefused
from neural.retrieval.embedders.base import Vectors as Embeddings
from neural.retrieval.index.active import its_embedder
from neural.retrieval.index.bisecting import bisect
from neural.retrieval.index.fields import texts_of, tokens_of
from neural.retrieval.models import SearchIndex
from neural.retrieval.stores.base import Row, Vector

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
    read: dict[str, Document] = {}
    refused: dict[str, str] = {}
    unwanted: set[str] = set()
    for key, record in records.items():
        try:
            read[key] = document_of(collection, record)
        except NeuralError as error:
            refused[key] = str(error)
            unwanted.add(key)
        except Exception as error:  # noqa: BLE001 (an app's own function: others go on)
            refused[key] = f"{collection}: {key}: {type(error).__name__}: {error}"
    return Documents(read=read, refused=refused, unwanted=unwanted)


def vectors_for(documents: Iterable[Document], indexes: Sequence[SearchIndex]) -> Vectors:
    """Vectors of all texts that these indexes need, computed in one call. Do not call it in a
    transaction: a model is slow, and a remote one slower."""
    columns = {
        column for index in indexes if its_embedder(index) is not None for column in index.vectors
    }
    wanted = {text for each in documents for text in texts_of(each, sorted(columns)).values()}
    if not wanted:
        return {}
    vectors: dict[str, Vector] = {}
    for texts, answers in _embedded(sorted(wanted)):
        found = zip(texts, answers, strict=True)
        vectors.update((text, vector) for text, vector in found if np.any(vector))
    return vectors


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


def rows_for(
    index: SearchIndex, documents: Mapping[str, Document], vectors: Vectors, *, version: int
) -> list[Row]:
    """The rows of one index. They have no vectors if this process lacks the index's model: mixed
    models would not compare."""
    columns = index.vectors if its_embedder(index) is not None else []
    return [_row(key, each, columns, vectors, version) for key, each in documents.items()]


def _row(
    key: str, document: Document, columns: Sequence[str], vectors: Vectors, version: int
) -> Row:
    texts = texts_of(document, columns)
    return Row(
        key=key,
        store=document.store,
        kind=document.kind,
        at=document.at,
        version=version,
        title=document.title,
        names=document.names,
        text=document.text,
        tokens=tokens_of(document),
        vectors={column: vectors[text] for column, text in texts.items() if text in vectors},
    )
