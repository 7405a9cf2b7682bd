"""Reads and writes many rows at once.

Django builds each object anew, and its bulk_create writes every column of every row. Orders have
many columns, and most orders leave most of them at their defaults: either took a worker longer than
all statements about the order.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from django.db import connections, models, router
from django.db.models.base import ModelState

from neural.ledger.dialects import dialect_of

Raw = tuple[Any, ...]
"""A row as the driver returns it, with the columns of the model's concrete fields, in order."""


def objects_of(
    model: type[models.Model], rows: Sequence[Raw], *, keys: Sequence[str], connection: Any
) -> list[Any]:
    """The objects of these rows. ``keys`` names fields of texts or numbers. Rows that are alike but
    for these and the primary key share their other values, which are to be replaced and never
    changed in place."""
    fields = list(enumerate(model._meta.concrete_fields))
    own = {n: field.attname for n, field in fields if field.primary_key or field.name in keys}
    rest_of = itemgetter(*(n for n, _ in fields if n not in own))
    # A decimal takes longer to hash than to compare.
    quick = (n for n, field in fields if not isinstance(field, models.DecimalField))
    traits_of = itemgetter(*(n for n in quick if n not in own))
    known: dict[Raw, tuple[Raw, models.Model]] = {}
    objects = []
    for row in rows:
        rest, traits = rest_of(row), traits_of(row)
        if traits in known and known[traits][0] == rest:
            _, alike = known[traits]
            objects.append(_like(alike, {name: row[n] for n, name in own.items()}))
        else:
            new = _built(model, row, connection)
            known[traits] = (rest, new)
            objects.append(new)
    return objects


def _built(model: type[models.Model], row: Raw, connection: Any) -> models.Model:
    fields = model._meta.concrete_fields
    values = list(row)
    for place, field in enumerate(fields):
        column = field.get_col(model._meta.db_table)
        for convert in (
            *connection.ops.get_db_converters(column),
            *column.get_db_converters(connection),
        ):
            values[place] = convert(values[place], column, connection)
    return model.from_db(connection.alias, [field.attname for field in fields], values)


def _like(other: models.Model, values: dict[str, Any]) -> models.Model:
    """An object with these values, and all others of another object that was just built."""
    state = ModelState()
    state.adding, state.db = False, other._state.db
    new = type(other).__new__(type(other))
    new.__dict__.update(other.__dict__, _state=state, **values)
    return new


Model = type[models.Model]
Columns = Mapping[str, list[Any]]
"""The values of many rows by the names of fields."""

_INSERT = "INSERT INTO {table} ({columns}) {values}"
_UPDATE = (
    "WITH new ({columns}) AS ({values}) "
    "UPDATE {table} AS kept SET {sets} FROM new WHERE kept.id = new.id"
)


def insert(model: Model, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have values of the same fields. A column in which all of them have the
    database's default is left to it."""
    if rows:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        _execute(_INSERT, model, {name: columns[name] for name in _telling(model, columns)})


def update(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Update these fields of existing rows."""
    if rows:
        columns = {name: [getattr(row, name) for row in rows] for name in ("id", *names)}
        _execute(_UPDATE, type(rows[0]), columns)


def telling(model: Model, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's values without those that are the database's defaults."""
    return {name: row[name] for name in _telling(model, {name: [row[name]] for name in row})}


def _telling(model: Model, columns: Columns) -> list[str]:
    return [
        name for name, values in columns.items() if not _is_default(_field(model, name), values)
    ]


def _is_default(field: Any, values: list[Any]) -> bool:
    """Whether all values are the column's default in the database."""
    has_one = field.null or field.has_db_default()
    return has_one and values.count(field.get_default()) == len(values)


def _execute(template: str, model: Model, columns: Columns) -> None:
    connection = connections[router.db_for_write(model)]
    fields = [_field(model, name) for name in columns]
    kinds = [field.db_type(connection) for field in fields]
    values = [
        _prepared(field, its_values, connection)
        for field, its_values in zip(fields, columns.values(), strict=True)
    ]
    count = len(values[0])
    at_once = connection.ops.bulk_batch_size(fields, values[0])
    with connection.cursor() as cursor:
        for start in range(0, count, at_once):
            part = [column[start : start + at_once] for column in values]
            rows, parameters = dialect_of(connection).values(kinds, part)
            cursor.execute(_statement(template, model, fields, rows, connection), parameters)


def _prepared(field: Any, values: Sequence[Any], connection: Any) -> list[Any]:
    """A column's values as the database gets them. Each is prepared once, as many rows have the
    same state, day or quantity."""
    prepare = field.get_db_prep_save
    try:
        prepared = {value: prepare(value, connection) for value in set(values)}
    except TypeError:  # JSON cannot be hashed
        return [prepare(value, connection) for value in values]
    return [prepared[value] for value in values]


def _field(model: Model, name: str) -> Any:
    return model._meta.get_field(name)


# The statements contain only the model's own names; every value is bound.


def _statement(
    template: str, model: Model, fields: Sequence[Any], values: str, connection: Any
) -> str:
    quoted = connection.ops.quote_name
    columns = [quoted(field.column) for field in fields]
    return template.format(
        table=quoted(model._meta.db_table),
        columns=", ".join(columns),
        sets=", ".join(f"{column} = new.{column}" for column in columns[1:]),
        values=values,
    )
