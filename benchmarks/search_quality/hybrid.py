"""Our search, used as an app would, with its own database."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from neural.restaurant import documents
from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.registry import (
    Record,
    SearchCollection,
    collection_of,
    register_collection,
)
from neural.retrieval.index.active import written_indexes
from neural.retrieval.index.compaction import compact
from neural.retrieval.index.writing import version_now, write
from neural.retrieval.query.searching import search

DISHES, RESTAURANTS = "quality_dishes", "quality_restaurants"
VECTORS = ("whole", "title")


class Given:
    """The records of a file. Search drops what its collection's source does not know."""

    def __init__(self, records: Mapping[str, Record]) -> None:
        self._records = records

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Those of these keys."""
        return {key: self._records[key] for key in keys if key in self._records}

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """All keys after this one, in order."""
        keys = sorted(key for key in self._records if key > after)
        return (keys[start : start + size] for start in range(0, len(keys), size))

    def count(self) -> int:
        """How many there are."""
        return len(self._records)


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
    by_key = {document(each).key: each for each in records}
    register_collection(
        SearchCollection(
            name=name,
            label=name,
            document=document,
            vectors=VECTORS,
            source=Given(by_key),
            near_enough=0.2,
        )
    )
    indexes = written_indexes(collection_of(name))
    read = write(indexes, by_key, version=version_now())
    if read.refused:
        raise ValueError("; ".join(read.refused.values()))
    for each in indexes:
        compact(each)
    return list(read.read.values())


def hybrid(name: str) -> Callable[[str], list[str]]:
    """A function that returns the ids that search finds."""
    return lambda query: [hit.id for hit in search(query, name, top_k=100)]
