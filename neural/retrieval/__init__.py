"""Search: records become documents in an index that follows the events.

A collection (``collections``) turns a record into a document. Its words become tokens (``text``)
and its texts become vectors (``embedders``). Both are kept in a vector store (``stores``).
``index`` keeps the index up to date with the database, and ``query`` searches it.

The public names here are for writing your own embedder or vector store. Searching and registering
collections are public in ``neural`` itself.
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
