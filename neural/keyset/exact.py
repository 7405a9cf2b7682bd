"""Rows by an id, compared exactly."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from neural.keyset.walks import indexes_alone

MOST_FOUND = 1000
"""The most rows that an id finds: one event id may exist in every store."""


def named_exactly(
    rows: QuerySet, text: str, columns: Sequence[str], *, most: int = MOST_FOUND
) -> list[Any]:
    """Keys of the rows in which a column equals the text, the newest first. The first column with a
    match decides. Each is the first column of an index, which the query follows."""
    for column in columns:
        # Not '=': it would take the column out of the ordering, and the reason for its index.
        named = rows.filter(**{f"{column}__gte": text, f"{column}__lte": text})
        with indexes_alone(rows.db):
            keys = list(named.order_by(column, "-pk").values_list("pk", flat=True)[:most])
        if keys:
            return keys
    return []
