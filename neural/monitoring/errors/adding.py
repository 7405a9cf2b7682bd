"""Adds counts to rows that may not exist yet, in one statement for many rows."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models import Model

from neural.ledger import dialects

ROWS = 100
"""Rows of one statement."""


@dataclass
class Count:
    """Failed attempts, and when the first and the last of them ended."""

    attempts: int
    first_at: dt.datetime
    last_at: dt.datetime

    def add(self, at: dt.datetime) -> None:
        """Count one more."""
        self.attempts += 1
        self.first_at, self.last_at = min(self.first_at, at), max(self.last_at, at)


def add(
    model: type[Model],
    keys: Sequence[str],
    counts: Mapping[tuple[Any, ...], Count],
    *,
    times: bool = False,
) -> None:
    """Add these counts to the rows with these values of ``keys``, which a constraint makes unique.

    With ``times`` the rows also have ``first_at`` and ``last_at``.
    """
    # Ordered, so that two who write the same rows cannot deadlock.
    rows = sorted(counts.items(), key=lambda each: each[0])
    names = [*keys, "attempts", *(("first_at", "last_at") if times else ())]
    for start in range(0, len(rows), ROWS):
        values = [
            (*key, count.attempts, *((count.first_at, count.last_at) if times else ()))
            for key, count in rows[start : start + ROWS]
        ]
        _write(model, names, len(keys), values)


def _write(
    model: type[Model], names: Sequence[str], keys: int, rows: Sequence[tuple[Any, ...]]
) -> None:
    connection = connections[dialects.ledger_connection().alias]
    fields = [model._meta.get_field(name) for name in names]
    columns = [str(field.column) for field in fields]  # type: ignore[union-attr]
    table = model._meta.db_table
    dialect = dialects.ledger_dialect()
    changes = {
        "attempts": f"attempts = {table}.attempts + excluded.attempts",
        "first_at": f"first_at = {dialect.least}({table}.first_at, excluded.first_at)",
        "last_at": f"last_at = {dialect.greatest}({table}.last_at, excluded.last_at)",
    }
    row = f"({', '.join(['%s'] * len(columns))})"
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(rows))} "
        f"ON CONFLICT ({', '.join(columns[:keys])}) "
        f"DO UPDATE SET {', '.join(changes[name] for name in columns[keys:])}"
    )
    parameters = [
        field.get_db_prep_save(value, connection)  # type: ignore[union-attr]
        for values in rows
        for field, value in zip(fields, values, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
