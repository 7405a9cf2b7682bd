"""Which rows a query may see, as SQL. Pure."""

from dataclasses import dataclass
from typing import Any

from neural.vectors.stores.base import Within


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
