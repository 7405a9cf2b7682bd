"""The registry of collections: the kinds of records that can be searched.

The collection of events comes with search itself. Every other collection is registered by the app
that has its rows, in that app's module ``neural_collections``.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from django.utils.module_loading import autodiscover_modules

from neural.errors import PermanentError
from neural.registry import Registry
from neural.retrieval.collections.documents import Document, bounded, check


class CollectionUnknown(PermanentError):
    """No installed app registered a collection of this name."""


Record = Mapping[str, Any]
"""A record as JSON-like data, with ``id`` and, if it belongs to a store, ``store_id``."""


class Source(Protocol):
    """Where a collection's records are, if they are rows of the database.

    A source may also have a method ``there(keys)`` that is faster than ``load`` at telling which
    keys have a record.
    """

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Records by key; missing ones are left out."""
        ...

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """The keys of all records after the key ``after`` (a cursor; ``""`` for the beginning), in
        a fixed order, at most ``size`` per page. The last key of a page is the next cursor."""
        ...

    def count(self) -> int:
        """About how many records there are, to show progress."""
        ...


@dataclass(frozen=True, kw_only=True)
class SearchCollection:
    """A kind of records that can be searched."""

    name: str
    label: Any
    """Its name for people; may be translated lazily."""
    document: Callable[[Record], Document]
    """Makes the document of a record. Pure. Raises :class:`neural.RecordRefused` for an invalid
    record."""
    source: Source | None = None
    """None: records are only ingested (``index_to_vector_db``) and are kept as they were given."""
    vectors: tuple[str, ...] = ("whole",)
    """The vectors of a record: some of ``neural.retrieval.index.fields.VECTORS``. Each is one more
    text to embed."""
    address: Callable[[str], str] | None = None
    """Returns the admin page of the record with this key."""
    permission: str = ""
    """The permission that a user of the admin needs to find its records, like
    ``neural_restaurant.view_order``. Empty: everybody who may search finds them."""


MODULE = "neural_collections"
COLLECTIONS: Registry[SearchCollection] = Registry("collection", unknown=CollectionUnknown)


def register_collection(collection: SearchCollection) -> SearchCollection:
    """Register a collection, whose name must be new; returns it."""
    return COLLECTIONS.add(collection.name, collection)


def collection_of(name: str) -> SearchCollection:
    """The registered collection of this name. Raises :class:`CollectionUnknown`."""
    _discover()
    return COLLECTIONS.get(name)


def collections() -> list[SearchCollection]:
    """All registered collections, sorted by name."""
    _discover()
    return COLLECTIONS.by_name()


@cache
def _discover() -> None:
    """Import the ``neural_collections`` of every installed app. This happens at the first use and
    not in ``ready()``, because other apps may not be ready by then."""
    autodiscover_modules(MODULE)


def document_of(name: str, record: Record) -> Document:
    """The document of a record as the index keeps it: checked to have an id and text, and cut to
    the lengths that are searched. Raises :class:`neural.RecordRefused`."""
    return bounded(check(collection_of(name).document(record), collection=name))
