"""Builds the objects of many rows, most of which are alike but for their keys, as those are that
were just created.

Django builds each object anew. Of a new order, with its many columns, that took a worker longer
than all statements about it.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from django.db import models
from django.db.models.base import ModelState

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
