"""Filters as the SQL that LanceDB reads. It binds no values: they are quoted here. Pure."""

import datetime as dt
from collections.abc import Collection

from neural.retrieval.stores.base import Within
from neural.retrieval.stores.lance.errors import ValueRefused

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def sees_nothing(within: Within) -> bool:
    """Whether no row can be within."""
    return within.stores == frozenset() or within.kinds == frozenset()


def filter_of(within: Within, *, keys: Collection[str] | None = None) -> str | None:
    """The condition of a row within (and of these keys), or None if every row is."""
    conditions = [
        *([] if keys is None else [one_of("key", keys)]),
        *([] if within.stores is None else [one_of("store", within.stores)]),
        *([] if within.kinds is None else [one_of("kind", within.kinds)]),
        *([] if within.since is None else [f"at >= {microseconds(within.since)}"]),
        *([] if within.until is None else [f"at < {microseconds(within.until)}"]),
    ]
    return " AND ".join(conditions) or None


def one_of(column: str, values: Collection[str]) -> str:
    """The condition that a column has one of these values (at least one)."""
    return f"{column} IN ({', '.join(quoted(value) for value in sorted(values))})"


def quoted(value: str) -> str:
    """A value as a literal: a quote inside is doubled, nothing else has a meaning there."""
    if "\0" in value:
        raise ValueRefused(f"a NUL character cannot be searched for: {value!r}")
    return "'" + value.replace("'", "''") + "'"


def microseconds(moment: dt.datetime) -> int:
    """A time as it is kept: microseconds since 1970 (UTC), which compare exactly."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def moment(microseconds_since: int) -> dt.datetime:
    """The time that was kept."""
    return _EPOCH + dt.timedelta(microseconds=microseconds_since)
