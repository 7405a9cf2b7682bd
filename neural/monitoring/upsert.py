"""Adds to rows that may not exist yet, in one statement for many rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connections
from django.db.models import Model

from neural.ledger import dialects

ROWS = 100
"""Rows of one statement."""

SUM = "{mine} + {theirs}"
LEAST = "{least}({mine}, {theirs})"
GREATEST = "{greatest}({mine}, {theirs})"


def add_up(
    model: type[Model],
    keys: Sequence[str],
    how: Mapping[str, str],
    rows: Iterable[tuple[Any, ...]],
) -> None:
    """Insert rows, or add them to those with the same ``keys``, which a constraint makes unique.

    A row has the values of the keys and then of the columns in ``how``, which says how each value
    is added: :data:`SUM`, :data:`LEAST` or :data:`GREATEST`. No two rows have the same keys.
    """
    # Ordered, so that two who write the same rows cannot deadlock.
    ordered = sorted(rows, key=lambda row: row[: len(keys)])
    for start in range(0, len(ordered), ROWS):
        _write(model, keys, how, ordered[start : start + ROWS])


def _write(
    model: type[Model],
    keys: Sequence[str],
    how: Mapping[str, str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    connection = connections[dialects.ledger_connection().alias]
    fields = [model._meta.get_field(name) for name in (*keys, *how)]
    columns = [str(field.column) for field in fields]  # type: ignore[union-attr]
    row = f"({', '.join(['%s'] * len(columns))})"
    statement = (
        f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) "
        f"VALUES {', '.join([row] * len(rows))} "
        f"ON CONFLICT ({', '.join(columns[: len(keys)])}) "
        f"DO UPDATE SET {', '.join(_added(model._meta.db_table, name, how[name]) for name in how)}"
    )
    parameters = [
        field.get_db_prep_save(value, connection)  # type: ignore[union-attr]
        for values in rows
        for field, value in zip(fields, values, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _added(table: str, column: str, how: str) -> str:
    dialect = dialects.ledger_dialect()
    value = how.format(
        mine=f"{table}.{column}",
        theirs=f"excluded.{column}",
        least=dialect.least,
        greatest=dialect.greatest,
    )
    return f"{column} = {value}"
