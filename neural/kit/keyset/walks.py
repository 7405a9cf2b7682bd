"""Walks: which rows of a large table a page of a list reads, and in which order.

A database on its own chooses the plan that its statistics make look cheap. For a store with few
rows, or for two filters that no index covers together, it walks the whole key. A walk names one
index and a number of rows, and a page reads no more than these, whatever is in the table.
"""

import datetime as dt
from collections.abc import Container, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections
from django.db.models import JSONField, Model, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.sql.datastructures import BaseTable

from neural.ledger.dialects import dialect_of

BY_KEY = ("-pk",)
PREFIX = RawSQL("prefix.value", ())


@dataclass(frozen=True, kw_only=True)
class Walk:
    """An index: rows with one value of ``column`` (or all rows of a partial index) in an order.

    ``parameter`` is the filter that the index serves; with ``values``, only for these values.
    ``also`` is another filter that must be chosen too and that the index serves as well; then
    ``values`` are of that one. ``condition`` is the condition of a partial index. A walk in the
    order of the key can begin at any row; a walk in another order can be used only while it has
    few rows.
    """

    parameter: str = ""
    also: str = ""
    column: str = ""
    order: tuple[str, ...] = BY_KEY
    condition: Q | None = None
    values: Container[str] | None = None
    day: str = ""
    """The filter by day, if there is one. The day is then the first column of the order."""
    prefixes: Sequence[str] = ()
    """The values of ``column``. Rows of each value are read separately. Empty without a column."""

    @property
    def is_by_key(self) -> bool:
        return self.order == BY_KEY

    @property
    def handles(self) -> set[str]:
        """The filters that the index serves on its own."""
        return {self.parameter, self.also}

    def serves(self, value: str) -> bool:
        """Whether the index has the rows for this value of the filter."""
        return bool(value) and (self.values is None or value in self.values)

    def on_day(self, day: str) -> "Walk":
        """The same walk on one day, whose rows the index holds together; ignores any other text."""
        try:
            this = Q(**{self.order[0]: dt.date.fromisoformat(day)})
        except ValueError:
            return self
        return replace(self, condition=(self.condition or Q()) & this)

    def along(self, value: str) -> "Walk":
        """The same walk for one value of its column."""
        return replace(self, prefixes=[value] if self.column else [])


WHOLE_TABLE = Walk()


@dataclass(frozen=True)
class Place:
    """Where in a list a page begins: below one key, above another, or else at the newest row.

    The list itself may end before the table does: ``above`` and ``below`` are keys beyond which it
    has no rows, on either side.
    """

    before: int | None = None
    after: int | None = None
    above: int | None = None
    below: int | None = None

    @property
    def rises(self) -> bool:
        return self.after is not None

    @property
    def condition(self) -> Q:
        found = Q()
        if self.after is not None:
            found = Q(pk__gt=self.after)
        elif self.before is not None:
            found = Q(pk__lt=self.before)
        if self.above is not None:
            found &= Q(pk__gt=self.above)
        return found if self.below is None else found & Q(pk__lt=self.below)


def along(queryset: QuerySet, walk: Walk, place: Place, most: int) -> QuerySet:
    """The same query, limited to the next ``most`` rows of each prefix."""
    return seeing(queryset, _branch(queryset.model, walk, place)[:most], walk.prefixes)


def ends(model: type[Model], walk: Walk, place: Place, most: int) -> list[int]:
    """The last keys that are read of those prefixes that have ``most`` rows, and may have more."""
    last = _branch(model, walk, place)[most - 1 : most]
    edges = seeing(model._base_manager.order_by(), last, walk.prefixes)
    return list(edges.values_list("pk", flat=True))


def indexes_alone(alias: str) -> AbstractContextManager[None]:
    """While active, the database follows the order of an index; it neither sorts nor scans the
    table."""
    connection = connections[alias]
    return dialect_of(connection).following_indexes(connection)


def _branch(model: type[Model], walk: Walk, place: Place) -> QuerySet:
    large = [field.name for field in model._meta.fields if isinstance(field, JSONField)]
    rows = model._base_manager.defer(*large).filter(walk.condition or Q())
    if walk.is_by_key:
        rows = rows.filter(place.condition)
    if walk.column:
        # Not '=': the database would then drop this column from the ordering, and with it the
        # reason to take this index.
        value: Any = walk.prefixes[0] if len(walk.prefixes) == 1 else PREFIX
        rows = rows.filter(**{f"{walk.column}__gte": value, f"{walk.column}__lte": value})
    return rows.order_by(*order_of(model, walk, place))


def order_of(model: type[Model], walk: Walk, place: Place) -> list[str]:
    """The order in which an index has the rows of each prefix."""
    order = columns_of(model, [walk.column, *walk.order] if walk.column else walk.order)
    return reverse(order) if walk.is_by_key and place.rises else order


def columns_of(model: type[Model], order: Sequence[str]) -> list[str]:
    """Replace foreign keys by their own columns: ordering by their names would sort by the other
    table's order."""
    keys = {field.name: field.attname for field in model._meta.concrete_fields}
    return [keys.get(name, name) for name in order]


def reverse(order: Sequence[str]) -> list[str]:
    """The same order, backwards."""
    return [name[1:] if name.startswith("-") else f"-{name}" for name in order]


def seeing(queryset: QuerySet, branch: QuerySet, prefixes: Sequence[str]) -> QuerySet:
    """The same query, limited to these rows of its table, for each prefix separately."""
    rows = _Rows(branch, prefixes)
    found = queryset.all()
    table: Any = found.query.get_initial_alias()
    found.query.alias_map[table] = _Window(table, table, rows)
    return found


@dataclass(frozen=True)
class _Rows:
    branch: QuerySet
    prefixes: Sequence[str]


class _Window(BaseTable):
    """Shows a query only some rows of a table, under the table's own name."""

    def __init__(self, table_name: str, alias: str, rows: _Rows) -> None:
        super().__init__(table_name, alias)
        self.rows = rows

    def relabeled_clone(self, change_map: Any) -> "_Window":
        return _Window(
            self.table_name, change_map.get(self.table_alias, self.table_alias), self.rows
        )

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        prefixes = self.rows.prefixes if len(self.rows.prefixes) > 1 else ()
        branch = self.rows.branch
        has_lateral = dialect_of(connection).has_lateral
        if prefixes and not has_lateral:
            branch = branch.values("pk")
        sql, params = branch.query.get_compiler(connection=connection).as_sql()
        # quote_name_unless_alias is for Django up to 6.0.
        quote = getattr(compiler, "quote_name", None) or compiler.quote_name_unless_alias
        name = quote(self.table_alias)
        if not prefixes:
            return f"({sql}) {name}", list(params)
        values = ", ".join(["(%s)"] * len(prefixes))
        each = f"WITH prefix(value) AS (VALUES {values}) SELECT w.* FROM prefix CROSS JOIN "  # noqa: S608
        if has_lateral:
            each += f"LATERAL ({sql}) w"
        else:
            table, key = map(
                connection.ops.quote_name, (self.table_name, branch.model._meta.pk.column)
            )
            each += f"{table} w WHERE w.{key} IN ({sql})"
        return f"({each}) {name}", [*prefixes, *params]
