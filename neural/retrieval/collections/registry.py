"""Collections: what can be searched, by name.

Events come with search itself. Every other collection is registered by
the app whose rows it holds, in that app's module ``neural_collections``.
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
    """Pure: raises :class:`neural.RecordRefused` for what cannot be read."""
    source: Source | None = None
    """None: records are only ingested (``index_to_vector_db``) and kept as they came."""
    vectors: tuple[str, ...] = ("whole",)
    """Which vectors a record has: some of ``neural.retrieval.index.fields.VECTORS``. Each costs its
    embedding."""
    address: Callable[[str], str] | None = None
    """Where the record with this key is seen in the admin."""
    permission: str = ""
    """What a user of the admin needs to see its records there, like
    ``neural_restaurant.view_order``; empty: nothing more than to search."""


MODULE = "neural_collections"
COLLECTIONS: Registry[SearchCollection] = Registry("collection", unknown=CollectionUnknown)


def register_collection(collection: SearchCollection) -> SearchCollection:
    """Make a collection known. The name must be new."""
    return COLLECTIONS.add(collection.name, collection)


def collection_of(name: str) -> SearchCollection:
    """The registered collection of this name, or :class:`CollectionUnknown`."""
    _discover()
    return COLLECTIONS.get(name)


def collections() -> list[SearchCollection]:
    """All registered collections by name."""
    _discover()
    return COLLECTIONS.by_name()


@cache
def _discover() -> None:
    """Import the ``neural_collections`` of every installed app. At first use, and not in some
    app's ``ready()``: other apps may not be ready by then."""
    autodiscover_modules(MODULE)


def document_of(name: str, record: Record) -> Document:
    """The document of a record, as it is kept: it has an id and something to be found by, and is
    cut to what is searched."""
    return bounded(check(collection_of(name).document(record), collection=name))
