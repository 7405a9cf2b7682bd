"""Collections: what can be searched, by name.

Orders, dishes, staff and events come with the app (``builtin``). An installed app may register
its own in its ``neural_handlers.py``.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from neural.errors import NeuralError, PermanentError
from neural.vectors.bounds import bounded
from neural.vectors.documents import Document, check


class CollectionUnknown(PermanentError):
    """No installed app registered a collection of this name."""


class CollectionAlreadyRegistered(NeuralError):
    """Two apps claim one collection."""


Record = Mapping[str, Any]
"""A record as JSON would have it, with ``id`` and, where it belongs to a store, ``store_id``."""


class Source(Protocol):
    """Where the records of a collection are, if they are rows of the database.

    One that can tell which keys have a record sooner than load them has ``there(keys)``, too.
    """

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Records by key; those that are gone are left out."""
        ...

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """Keys of all records from the one after ``after`` (a cursor: ``""`` for the beginning),
        in a fixed order, at most ``size`` a page. The last key of a page is the next cursor."""
        ...

    def count(self) -> int:
        """About how many records there are, for progress."""
        ...


@dataclass(frozen=True, kw_only=True)
class SearchCollection:
    """A kind of records that can be searched."""

    name: str
    label: Any
    """What people call it; may be translated lazily."""
    document: Callable[[Record], Document]
    """Pure: raises :class:`~neural.vectors.documents.RecordRefused` for what cannot be read."""
    source: Source | None = None
    """None: records are only handed in (``index_to_vector_db``) and kept as they came."""
    vectors: tuple[str, ...] = ("whole",)
    """Which vectors a record has: some of ``neural.vectors.fields.VECTORS``. Each costs its
    embedding."""
    address: Callable[[str], str] | None = None
    """Where the record with this key is seen in the admin."""
    permission: str = ""
    """What a user of the admin needs to see its records there, like ``neural.view_order``; empty:
    nothing more than to search."""


_collections: dict[str, SearchCollection] = {}


def register_collection(collection: SearchCollection) -> SearchCollection:
    """Make a collection known. The name must be new."""
    if collection.name in _collections:
        raise CollectionAlreadyRegistered(f"collection {collection.name!r} is registered already")
    _collections[collection.name] = collection
    return collection


def collection_of(name: str) -> SearchCollection:
    """The registered collection of this name, or :class:`CollectionUnknown`."""
    try:
        return _collections[name]
    except KeyError:
        known = ", ".join(sorted(_collections)) or "none"
        raise CollectionUnknown(f"collection {name!r} is not registered; known: {known}") from None


def collections() -> list[SearchCollection]:
    """All registered collections by name."""
    return [_collections[name] for name in sorted(_collections)]


def document_of(name: str, record: Record) -> Document:
    """The document of a record, as it is kept: it has an id and something to be found by, and is
    cut to what is searched."""
    return bounded(check(collection_of(name).document(record), collection=name))
