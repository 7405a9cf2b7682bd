"""Search: records become documents in an index that follows the events.

A collection (``collections``) turns a record into a document. Its words become tokens (``text``),
which are kept in the database (``stores.words``), and its texts become vectors (``embedders``),
which are beside them, or in a vector store of your own (``stores``).
``index`` keeps the index up to date with the database, and ``query`` searches it.

The public names here are for writing your own embedder or vector store. Searching and registering
collections are public in ``neural`` itself.
"""

from typing import TYPE_CHECKING, Any

from neural.kit.optional import look_up

if TYPE_CHECKING:
    from neural.retrieval.embedders.base import Embedder, EmbedderRefused, EmbedderUnavailable
    from neural.retrieval.stores.base import (
        Match,
        Row,
        Shape,
        StoreUnavailable,
        TableMissing,
        VectorStore,
        Within,
    )


__all__ = [
    "Embedder",
    "EmbedderRefused",
    "EmbedderUnavailable",
    "Match",
    "Row",
    "Shape",
    "StoreUnavailable",
    "TableMissing",
    "VectorStore",
    "Within",
]


_EMBEDDERS = ("Embedder", "EmbedderRefused", "EmbedderUnavailable")
_HOMES = {
    **dict.fromkeys(__all__, "neural.retrieval.stores.base"),
    **dict.fromkeys(_EMBEDDERS, "neural.retrieval.embedders.base"),
}


def __getattr__(name: str) -> Any:
    return look_up(__name__, _HOMES, name)
