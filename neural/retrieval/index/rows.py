"""Records turned into rows of an index: documents, tokens, vectors."""

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
"""By text; a text in which nothing can be read has none."""


def version_now() -> int:
    """The version of what is read from here on: greater than that of all that was read before.

    By a clock that all workers share.
    """
    return dialects.ledger_dialect().microseconds(dialects.ledger_connection())


@dataclass(frozen=True, kw_only=True)
class Documents:
    """What records say, by key; and why some cannot be read."""

    read: Mapping[str, Document]
    refused: Mapping[str, str]
    unwanted: Collection[str] = ()
    """Of the refused, those that are no documents any more. Of the others, where code failed, the
    index keeps what it has."""


def documents_of(collection: str, records: Mapping[str, Record]) -> Documents:
    """The documents of records."""
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
    """Everything that these indexes need embedded, in one call. Not inside of a transaction: a
    model takes its time, and a server even more."""
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
    """The vectors of texts. One that the model refuses, be it for what it says, is left without:
    its record is found by its words. A model that refuses everything is wrongly set up."""
    try:
        return [(texts, embedder().embed(texts))]
    except EmbedderRefused:
        embedder().embed([f"one text, {time.time_ns()}"])  # a new one: it may remember others
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
    """The rows of one index. Without vectors where they would be of another model than its
    others: it is found by its words until the index is rebuilt."""
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
