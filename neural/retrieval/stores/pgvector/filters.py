"""Which rows a query may see, as SQL."""

from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import Within
from neural.retrieval.stores.pgvector.tables import rows_table

FEW_ROWS = 5_000
"""So many rows are sooner read one by one than found by an index that other rows are in too."""


@dataclass(frozen=True)
class Filter:
    """A condition on rows and the values that it binds."""

    sql: str
    values: tuple[Any, ...]


def filter_of(within: Within) -> Filter:
    """The condition; ``true`` where nothing is limited."""
    parts: list[tuple[str, Any]] = []
    if within.stores is not None:
        parts.append(("store = ANY(%s::text[])", sorted(within.stores)))
    if within.kinds is not None:
        parts.append(("kind = ANY(%s::text[])", sorted(within.kinds)))
    if within.since is not None:
        parts.append(("at >= %s::timestamptz", within.since))
    if within.until is not None:
        parts.append(("at < %s::timestamptz", within.until))
    condition = " AND ".join(sql for sql, _ in parts) or "true"
    return Filter(condition, tuple(value for _, value in parts))


def lets_few_through(cursor: CursorWrapper, table: str, only: Filter) -> bool:
    """Whether the filter leaves few rows. One that limits nothing is not asked about."""
    if not only.values:
        return False
    cursor.execute(
        f"SELECT count(*) FROM (SELECT FROM {rows_table(table)} WHERE {only.sql} LIMIT %s) AS seen",
        [*only.values, FEW_ROWS],
    )
    return bool(cursor.fetchone()[0] < FEW_ROWS)
