"""Writes many rows at once, with only those columns that say something.

Orders have many columns, and most orders leave most of them at their defaults. Django's bulk_create
writes every column of every row, which took a worker longer than all else about an order.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, router

from neural.ledger.dialects import dialect_of

Rows = Sequence[models.Model]
"""Objects of one model."""

_INSERT = "INSERT INTO {table} ({columns}) {values}"
_UPDATE = (
    "WITH new ({columns}) AS ({values}) "
    "UPDATE {table} AS kept SET {sets} FROM new WHERE kept.id = new.id"
)


def insert(rows: Rows, names: Sequence[str]) -> None:
    """Insert rows with these fields. The other columns get the database's defaults."""
    _execute(_INSERT, rows, names)


def update(rows: Rows, names: Sequence[str]) -> None:
    """Update these fields of existing rows."""
    _execute(_UPDATE, rows, ("id", *names))


def telling(rows: Rows, names: Iterable[str]) -> list[str]:
    """Those of the fields in which any of the rows has another value than the default."""
    if not rows:
        return []
    meta: Any = rows[0]._meta
    defaults = {name: meta.get_field(name).get_default() for name in names}
    return [
        name
        for name, default in defaults.items()
        if any(getattr(row, name) != default for row in rows)
    ]


def _execute(template: str, rows: Rows, names: Sequence[str]) -> None:
    if not rows:
        return
    model = type(rows[0])
    fields = [model._meta.get_field(name) for name in names]
    connection = connections[router.db_for_write(model)]
    at_once = connection.ops.bulk_batch_size(fields, rows)
    with connection.cursor() as cursor:
        for start in range(0, len(rows), at_once):
            values, parameters = _values(fields, rows[start : start + at_once], connection)
            cursor.execute(_statement(template, model, fields, values, connection), parameters)


def _values(fields: Sequence[Any], rows: Rows, connection: Any) -> tuple[str, list[Any]]:
    kinds = [field.db_type(connection) for field in fields]
    columns = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows]
        for field in fields
    ]
    return dialect_of(connection).values(kinds, columns)


# The statements contain only the model's own names; every value is bound.


def _statement(
    template: str, model: type[models.Model], fields: Sequence[Any], values: str, connection: Any
) -> str:
    quoted = connection.ops.quote_name
    columns = [quoted(field.column) for field in fields]
    return template.format(
        table=quoted(model._meta.db_table),
        columns=", ".join(columns),
        sets=", ".join(f"{column} = new.{column}" for column in columns[1:]),
        values=values,
    )
