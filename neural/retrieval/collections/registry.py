"""The registry of collections: the kinds of records that can be searched.

The collection of events comes with search itself. Every other collection is registered by the app
that has its rows, in that app's module ``neural_collections``.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import or_
from typing import Any, Protocol

from django.contrib.auth import get_permission_codename
from django.db.models import Model, Q, QuerySet
from django.utils.module_loading import autodiscover_modules

from neural.kit.errors import PermanentError
from neural.kit.registry import Registry
from neural.kit.sites import page_of
from neural.retrieval.collections.documents import (
    Document,
    bounded,
    check,
    in_store,
    key_of,
    parts_of,
)


class CollectionUnknown(PermanentError):
    """No installed app registered a collection of this name."""


Record = Mapping[str, Any]
"""A record as JSON-like data, with ``id`` and, if it belongs to a store, ``store_id``."""


class Source(Protocol):
    """Where a collection's records are, if they are rows of the database.

    A source may also have a method ``there(keys)`` that is faster than ``load`` at telling which
    keys have a record, and ``of_store(code)`` that walks the keys of one store. Without it, the
    records of a renamed store are found by its old name until they change.
    """

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Records by key; missing ones are left out."""

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """The keys of all records after the key ``after`` (a cursor; ``""`` for the beginning), in
        a fixed order, at most ``size`` per page. The last key of a page is the next cursor."""

    def count(self) -> int:
        """About how many records there are, to show progress."""


Concerns = Callable[
    [Collection[str] | None, dt.datetime | None, dt.datetime | None], Mapping[str, dt.datetime]
]
"""Asked with codes of stores (None: all), and ``since`` and ``until`` (None: ever): returns the
keys of the records that concern one of these stores then, and when they last did."""


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
    happens: bool = True
    """Whether the time of a record is when it happened, and not of its last change: then words like
    *yesterday* limit it."""
    lies_ahead: bool = False
    """Whether its records are plans, like shifts: then *friday* is the one of this week, and not
    the last one."""
    has_days: bool = False
    """Whether its records have the day to which they belong among their names, like the business
    day of orders: then a date is looked for there."""
    has_amounts: bool = False
    """Whether its records have a fact ``amount``: then words like *over 50* limit it."""
    near_enough: float = 0.3
    """The least cosine by which meaning alone finds a record; less is near to nothing. It depends
    on the length of its texts and on the model (docs/explanation/search.md)."""
    address: Callable[[str], str] | None = None
    """Returns the admin page of the record with this key."""
    concerns: Concerns | None = None
    """For records that belong to no store and concern some, maybe at several times. Without it,
    such records are found by those alone who see every store, and by their own time."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """What its kinds and states are called, where the trade would call them otherwise."""
    in_api: bool = True
    """Whether API keys find it, which were given for what stores send, and not for faults."""
    permission: str = ""
    """The permission that a user of the admin needs to find its records, like
    ``neural_restaurant.view_order``. Empty: everybody who may search finds them."""

    def addresses(self, keys: Collection[str]) -> Mapping[str, str]:
        """The admin pages of the records with these keys; at once, where its source knows them."""
        own = self.address
        if own is None:
            return {}
        if getattr(own, "__func__", None) is Rows.address:  # no app has changed it
            return own.__self__.addresses(keys)  # type: ignore[attr-defined]
        return {key: own(key) for key in keys}


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


def document_of(name: str, record: Record, *, stores: Mapping[str, str] | None = None) -> Document:
    """The document of a record as the index keeps it: checked to have an id and text, with what its
    store is called (``stores`` are names by code), and cut to the lengths that are searched. Raises
    :class:`neural.RecordRefused`."""
    document = check(collection_of(name).document(record), collection=name)
    return bounded(in_store(document, name=(stores or {}).get(document.store, "")))


# Sources of records that are rows of one model


_STORES_AT_A_TIME = 100
"""SQLite accepts no condition of more than 1,000 parts."""
_DIGITS = 19
"""Of the first number that is too large for a primary key."""


class Rows:
    """The source of a collection whose records are rows of one model, with a store and a name
    within it."""

    model: type[Model]
    name: str
    """The field that is the record's own id."""
    store: str = "store_id"
    """The column with the code of the store; empty if no row belongs to one."""
    walked_by: tuple[str, ...]
    """The columns of a unique index, in its order."""
    is_numbered = False
    """Whether a record's id is a primary key, which no till states."""

    def record(self, row: Any) -> Record:
        raise NotImplementedError

    def all(self) -> QuerySet[Any]:
        """The rows that can be searched."""
        return self.model._default_manager.all()

    def with_parts(self, rows: QuerySet[Any]) -> Iterable[Any]:
        """The rows, loaded with everything else that :meth:`record` reads."""
        return rows

    def key(self, name: Any, code: str | None = None) -> str:
        """The key of the row with this name in this store."""
        return key_of(store=code or "", id=str(name))

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Records by key; missing ones are left out."""
        found = (row for rows in self._rows(keys) for row in self.with_parts(rows))
        rows = {self._key(row): row for row in found}
        return {key: self.record(rows[key]) for key in keys if key in rows}

    def there(self, keys: Collection[str]) -> set[str]:
        """The keys among these that :meth:`load` would find."""
        return {key for rows in self._rows(keys) for key in self._keys(rows)}.intersection(keys)

    def of_store(self, code: str) -> Iterator[str]:
        """The keys of all records of a store."""
        rows = self.all().filter(**{self.store: code}) if self.store else self.all().none()
        return self._keys(rows, read=QuerySet.iterator)

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """Pages of the keys after this key, in the order of the index."""
        rows = self.all().order_by(*self.walked_by)
        while page := list(self._keys(self._from(rows, after)[:size])):
            after = page[-1]
            yield page

    def count(self) -> int:
        """How many records there are."""
        return self.all().count()

    def address(self, key: str) -> str:
        """The record's page in the admin; empty if the row is gone or there is no admin."""
        return self.addresses([key]).get(key, "")

    def addresses(self, keys: Collection[str]) -> Mapping[str, str]:
        """The pages of these records, of those whose rows are there."""
        columns = filter(None, (self.name, self.store))
        found = (row for rows in self._rows(keys) for row in rows.values_list("pk", *columns))
        return {self.key(*own): page_of(self.model, pk) for pk, *own in found}

    def _key(self, row: Any) -> str:
        return self.key(getattr(row, self.name), getattr(row, self.store, None))

    def _rows(self, keys: Collection[str]) -> Iterator[QuerySet[Any]]:
        """The rows of these keys."""
        return map(self.all().filter, of_stores(map(parts_of, keys), named=self.name))

    def _keys(self, rows: QuerySet[Any], *, read: Callable[[Any], Any] = iter) -> Iterator[str]:
        columns = filter(None, (self.name, self.store))
        return (self.key(*values) for values in read(rows.values_list(*columns)))

    def _from(self, rows: QuerySet[Any], after: str) -> QuerySet[Any]:
        if not after:
            return rows
        store, name = parts_of(after)
        at = {"store": store, self.name: name}
        first, second = self.walked_by
        # A range of the index. For an OR, the database would read the whole index.
        passed = Q(**{first: at[first], f"{second}__lte": at[second]})
        return rows.filter(**{f"{first}__gte": at[first]}).exclude(passed)


class Numbered(Rows):
    """The source of a collection whose records are rows of one model, known by primary key. A row
    that belongs to no store has the empty code."""

    name, walked_by, is_numbered = "pk", ("pk",), True

    def addresses(self, keys: Collection[str]) -> Mapping[str, str]:
        """The pages of these records, without those that were only ingested."""
        numbers = ((key, number_in(key)) for key in keys)
        return {key: self.page(pk) for key, pk in numbers if pk is not None}

    def page(self, pk: int) -> str:
        """The page of the row with this primary key."""
        return page_of(self.model, pk)

    def _rows(self, keys: Collection[str]) -> Iterator[QuerySet[Any]]:
        yield self.all().filter(pk__in=[pk for pk in map(number_in, keys) if pk is not None])

    def _from(self, rows: QuerySet[Any], after: str) -> QuerySet[Any]:
        return rows.filter(pk__gt=number_in(after) or 0)


def number_in(key: str) -> int | None:
    """The primary key in a record's key; None if its id is no number."""
    own = parts_of(key)[1]
    return int(own) if own.isascii() and own.isdigit() and len(own) < _DIGITS else None


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


def register_rows(
    name: str, label: Any, document: Callable[[Record], Document], source: Rows, **others: Any
) -> SearchCollection:
    """Register a collection of such rows, which lead to their pages and are found by those who may
    view them; ``others`` are further fields."""
    own = {"address": source.address, "permission": permission_of(source.model)}
    fields = {"name": name, "label": label, "document": document, "source": source}
    return register_collection(SearchCollection(**{**own, **fields, **others}))
