"""Our search, used as an app would, with its own database and LanceDB."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from neural.restaurant import documents
from neural.retrieval.choosing import vector_store
from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.registry import (
    SearchCollection,
    collection_of,
    register_collection,
)
from neural.retrieval.index.active import written_indexes
from neural.retrieval.index.rows import documents_of, vectors_for, version_now
from neural.retrieval.index.writing import write
from neural.retrieval.query.searching import search

DISHES, RESTAURANTS = "quality_dishes", "quality_restaurants"
VECTORS = ("whole", "title")


def restaurant(record: Mapping[str, Any]) -> Document:
    """A restaurant's document: it is found by its name and by its dishes."""
    return Document(id=record["id"], title=record["name"], names=tuple(record["dishes"]))


def dish(record: Mapping[str, Any]) -> Document:
    """A dish's document, like the one of the app's own collection."""
    return documents.dish(record)


def index(
    name: str, document: Callable[[Mapping[str, Any]], Document], records: Sequence[dict[str, Any]]
) -> list[Document]:
    """Register a collection and index these records in it; returns their documents."""
    register_collection(SearchCollection(name=name, label=name, document=document, vectors=VECTORS))
    by_key = {document(each).key: each for each in records}
    read = documents_of(name, by_key)
    if read.refused:
        raise ValueError("; ".join(read.refused.values()))
    indexes = written_indexes(collection_of(name))
    write(indexes, read.read, vectors_for(read.read.values(), indexes), version=version_now())
    for each in indexes:
        vector_store().compact(each.table)
    return list(read.read.values())


def hybrid(name: str) -> Callable[[str], list[str]]:
    """A function that returns the ids that search finds."""
    return lambda query: [hit.id for hit in search(query, name, top_k=100)]
