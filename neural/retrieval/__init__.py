"""Search: records as documents, their tokens and vectors in an index that keeps up with events.

A collection (``collections``) turns a record into a document (``documents``). Its words become
tokens (``text``), its sentences vectors (``embedders``); both are kept in a vector store
(``stores``). ``indexing`` keeps the index up with the database, ``search`` asks it.

Its public names are what an embedder or a vector store of one's own is made with; what searches
and registers collections is reached from ``neural`` itself.
"""

from typing import TYPE_CHECKING, Any

from neural.optional import look_up

if TYPE_CHECKING:
    from neural.retrieval.embedders.base import Embedder, EmbedderRefused, EmbedderUnavailable
    from neural.retrieval.stores.base import (
        Match,
        Row,
        Shape,
        StoreUnavailable,
        TableMissing,
        TableSize,
        VectorStore,
        Within,
    )

_HOMES = {
    "Embedder": "neural.retrieval.embedders.base",
    "EmbedderRefused": "neural.retrieval.embedders.base",
    "EmbedderUnavailable": "neural.retrieval.embedders.base",
    "Match": "neural.retrieval.stores.base",
    "Row": "neural.retrieval.stores.base",
    "Shape": "neural.retrieval.stores.base",
    "StoreUnavailable": "neural.retrieval.stores.base",
    "TableMissing": "neural.retrieval.stores.base",
    "TableSize": "neural.retrieval.stores.base",
    "VectorStore": "neural.retrieval.stores.base",
    "Within": "neural.retrieval.stores.base",
}

__all__ = [
    "Embedder",
    "EmbedderRefused",
    "EmbedderUnavailable",
    "Match",
    "Row",
    "Shape",
    "StoreUnavailable",
    "TableMissing",
    "TableSize",
    "VectorStore",
    "Within",
]


def __getattr__(name: str) -> Any:
    return look_up(__name__, _HOMES, name)
