"""Rows by an id, compared exactly."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from neural.kit.keyset.walks import indexes_alone

MOST_FOUND = 1000
"""The most rows that an id finds: one event id may exist in every store."""


def named_exactly(
    rows: QuerySet, text: str, columns: Sequence[str], *, most: int = MOST_FOUND
) -> list[Any]:
    """Keys of the rows in which one of the columns equals the text, the newest first. Each is the
    first column of an index, which the query follows."""
    found: set[Any] = set()
    with indexes_alone(rows.db):
        for column in columns:
            # Not '=': it would take the column out of the ordering, and the reason for its index.
            named = rows.filter(**{f"{column}__gte": text, f"{column}__lte": text})
            found.update(named.order_by(column, "-pk").values_list("pk", flat=True)[:most])
    return sorted(found, reverse=True)[:most]


Find = Callable[[QuerySet, str, Any], Iterable[Any]]
"""Called with rows of the user's stores, the id and the user. Returns primary keys; it reads few
rows, by an index."""


def by_columns(*columns: str) -> Find:
    """Rows in which a column equals the id (:func:`named_exactly`)."""
    return lambda rows, text, user: named_exactly(rows, text, columns)


def by_any(*finds: Find) -> Find:
    """Rows that the first of these finds that finds any."""
    return lambda rows, text, user: next(
        (keys for find in finds if (keys := list(find(rows, text, user)))), []
    )


def names_nothing(rows: QuerySet, text: str, user: Any) -> Iterable[Any]:
    """Finds nothing."""
    return ()
