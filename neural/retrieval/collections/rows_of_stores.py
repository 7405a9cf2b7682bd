"""A source of records that are rows of one model, identified by their store and a name within
it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.auth import get_permission_codename
from django.db.models import Model, Q, QuerySet

from neural.retrieval.collections.documents import key_of, parts_of
from neural.retrieval.collections.registry import Record
from neural.sites import page_of

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
