"""Adds sums to the tables of figures. The caller holds the lock of all figures
(:mod:`neural.monitoring.rollups.folding`), so that each row is read, added to and written."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import connections
from django.db.models import Model

from neural.ledger import dialects
from neural.monitoring.models import (
    EventFigures,
    FiguresBase,
    HourFigures,
    MinuteFigures,
    TotalEvents,
    TotalFigures,
)
from neural.monitoring.models.figures import EVERY_STORE
from neural.monitoring.rollups.histograms import BUCKETS, Key, Sum

Row = TypeVar("Row", bound=Model)
Keys = Iterable[tuple[Any, ...]]
EventKey = tuple[dt.datetime, str, str]
"""Hour, store code and event type."""

_KINDS = {"minute": "timestamptz", "hour": "timestamptz"}
_COUNTED = ("submitted", "succeeded", "failed", "lost", "dead")
_MOST_KEYS = 1000
"""Rows that one statement reads or writes."""
ROWS = 100
"""Rows of one statement."""
SUM = "{mine} + {theirs}"
LEAST = "{least}({mine}, {theirs})"
GREATEST = "{greatest}({mine}, {theirs})"


def add(sums: Mapping[Key, Sum]) -> None:
    """Add sums by minute, queue, work and store to the figures of minutes, hours and all time."""
    minutes: dict[Any, Sum] = defaultdict(Sum)
    hours: dict[Any, Sum] = defaultdict(Sum)
    totals: dict[Any, Sum] = defaultdict(Sum)
    for (minute, queue, work, store), each in sums.items():
        minutes[moment(minute), queue, work].add(each)
        hour = moment(minute // 60 * 60)
        hours[hour, queue, work, store].add(each)
        hours[hour, queue, work, EVERY_STORE].add(each)
        totals[queue, work].add(each)
    _add(MinuteFigures, ("minute", "queue", "work"), minutes)
    _add(HourFigures, ("hour", "queue", "work", "store_code"), hours)
    _add(TotalFigures, ("queue", "work"), totals)


def add_events(events: Mapping[EventKey, tuple[int, dt.datetime]]) -> None:
    """Add numbers of events, with the time of the last one, to hours and to all time."""
    hours = [(*key, number, last_at) for key, (number, last_at) in events.items()]
    key = ("hour", "store_code", "event_type")
    add_up(EventFigures, key, {"events": SUM, "last_at": GREATEST}, hours)
    totals: dict[str, int] = defaultdict(int)
    for (_, _, event_type), (number, _) in events.items():
        totals[event_type] += number
    add_up(TotalEvents, ("event_type",), {"events": SUM}, totals.items())


def moment(minute: int) -> dt.datetime:
    """The beginning of a minute, counted from 1970 (UTC)."""
    return dt.datetime.fromtimestamp(minute * 60, tz=dt.UTC)


def _add(model: type[FiguresBase], key: Sequence[str], sums: Mapping[tuple[Any, ...], Sum]) -> None:
    rows = _rows(model, key, sums)
    for each, added in sums.items():
        _add_to(rows[each], added)
    _write(model, key, rows.values(), (*_COUNTED, "wait", "duration"))


def _add_to(row: FiguresBase, added: Sum) -> None:
    for name in _COUNTED:
        setattr(row, name, getattr(row, name) + getattr(added, name))
    for name in ("wait", "duration"):
        if buckets := getattr(added, name):
            histogram = list(getattr(row, name)) or [0] * BUCKETS
            for bucket, count in buckets.items():
                histogram[bucket] += count
            setattr(row, name, histogram)


def _rows(model: type[Row], key: Sequence[str], keys: Keys) -> dict[tuple[Any, ...], Row]:
    """The rows with these keys; those that do not exist are new and not written yet."""
    wanted = list(keys)
    rows: dict[tuple[Any, ...], Row] = {}
    for start in range(0, len(wanted), _MOST_KEYS):
        for row in _found(model, key, wanted[start : start + _MOST_KEYS]):
            rows[tuple(getattr(row, name) for name in key)] = row
    for each in wanted:
        if each not in rows:
            rows[each] = model(**dict(zip(key, each, strict=True)))
    return rows


def _found(model: type[Row], key: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> Iterable[Row]:
    columns = {name: _KINDS.get(name, "text") for name in key}
    stored = [[_stored(value) for value in each] for each in keys]
    table, parameters = dialects.ledger_dialect().table(columns, stored)
    statement = f"""
        SELECT * FROM {model._meta.db_table}
        WHERE ({", ".join(key)}) IN (SELECT * FROM {table} AS wanted)
    """
    return model._default_manager.raw(statement, parameters)


def _stored(value: Any) -> Any:
    """A value as the database compares it: SQLite keeps times as text."""
    if isinstance(value, dt.datetime):
        return dialects.ledger_connection().ops.adapt_datetimefield_value(value)
    return value


def _write(
    model: type[Row], key: Sequence[str], rows: Iterable[Row], fields: Sequence[str]
) -> None:
    model._default_manager.bulk_create(
        rows,
        batch_size=_MOST_KEYS,
        update_conflicts=True,
        unique_fields=key,
        update_fields=fields,
    )


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
        _upsert(model, keys, how, ordered[start : start + ROWS])


def _upsert(
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
