"""The registry of collections: the kinds of records that can be searched.

The collection of events comes with search itself. Every other collection is registered by the app
that has its rows, in that app's module ``neural_collections``.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from typing import Any, Protocol

from django.contrib.auth import get_permission_codename
from django.db.models import Model, Q, QuerySet
from django.utils.module_loading import autodiscover_modules

from neural.errors import PermanentError
from neural.registry import Registry
from neural.retrieval.collections.documents import Document, bounded, check, key_of, parts_of
from neural.sites import page_of


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


# A source of records that are rows of one model


_STORES_AT_A_TIME = 100
"""SQLite accepts no condition of more than 1,000 parts."""


class Rows:
    """The source of a collection whose records are rows of one model, with a store and a name
    within it."""

    model: type[Model]
    name: str
    """The field that is the record's own id."""
    walked_by: tuple[str, str]
    """The columns of a unique index, in its order."""

    def record(self, row: Any) -> Record:
        raise NotImplementedError

    def all(self) -> QuerySet[Any]:
        """The rows that can be searched."""
        return self.model._default_manager.all()

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Records by key; missing ones are left out."""
        rows = {self._key(row): row for some in self._rows(keys) for row in self.with_parts(some)}
        return {key: self.record(rows[key]) for key in keys if key in rows}

    def _rows(self, keys: Collection[str]) -> Iterator[QuerySet[Any]]:
        """The rows of these keys."""
        return map(self.all().filter, of_stores(map(parts_of, keys), named=self.name))

    def there(self, keys: Collection[str]) -> set[str]:
        """The keys among these that :meth:`load` would find."""
        wanted = [some.values_list("store_id", self.name) for some in self._rows(keys)]
        return {key_of(store=store, id=name) for some in wanted for store, name in some}

    def with_parts(self, rows: QuerySet[Any]) -> Iterable[Any]:
        """The rows, loaded with everything else that :meth:`record` reads."""
        return rows

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """Pages of the keys after this key, in the order of the index."""
        first, second = self.walked_by
        rows = self.all().order_by(first, second).values_list("store_id", self.name)
        while page := list(self._from(rows, after)[:size]):
            keys = [key_of(store=store, id=name) for store, name in page]
            after = keys[-1]
            yield keys

    def _from(self, rows: QuerySet[Any], after: str) -> QuerySet[Any]:
        if not after:
            return rows
        store, name = parts_of(after)
        at = {"store": store, self.name: name}
        first, second = self.walked_by
        # A range of the index. For an OR, the database would read the whole index.
        passed = Q(**{first: at[first], f"{second}__lte": at[second]})
        return rows.filter(**{f"{first}__gte": at[first]}).exclude(passed)

    def count(self) -> int:
        """How many records there are."""
        return self.all().count()

    def address(self, key: str) -> str:
        """The record's page in the admin; empty if the row is gone or there is no admin."""
        store, name = parts_of(key)
        found = self.all().filter(**{self.name: name, "store": store})
        pk = found.values_list("pk", flat=True).first()
        return page_of(self.model, pk) if pk is not None else ""

    def _key(self, row: Any) -> str:
        return key_of(store=row.store_id, id=getattr(row, self.name))


def of_stores(wanted: Iterable[tuple[str, str]], *, named: str) -> Iterator[Q]:
    """Conditions that select exactly these rows by store and name. Many stores use the same names,
    so store and name are compared together."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for store, name in wanted:
        names[store].add(name)
    asked = [Q(**{"store": store, f"{named}__in": own}) for store, own in names.items()]
    for start in range(0, len(asked), _STORES_AT_A_TIME):
        yield reduce(or_, asked[start : start + _STORES_AT_A_TIME])


def permission_of(model: type[Model]) -> str:
    """The permission to view a model's rows in the admin, like ``neural_restaurant.view_order``."""
    return f"{model._meta.app_label}.{get_permission_codename('view', model._meta)}"
