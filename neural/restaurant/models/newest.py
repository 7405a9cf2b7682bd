"""Versions: the newest event wins, in whatever order events arrive.

A row keeps the version of the event that it was written from: the event's time, id and source. A
version is bytes that sort like these three, the numbers in an id by their values. Every database
compares bytes alike, while the order of text depends on a collation.

Release 0.1.0 wrote the id as it is. A mark tells today's versions from those, and is greater than
all of them: where a row is not read before it is compared, today's version of the same time is
newer. Workers of that release find time and source in either form.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

from django.db import connections, models, router
from django.utils.translation import gettext_lazy as _

from neural.events.models import NeuralEvent, event_id_of, sort_key
from neural.models.store import StoreScopedQuerySet
from neural.restaurant.models.rows import objects_of

_FIRST_MOMENT = dt.datetime.min.replace(tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_KEYED = "\U0010ffff"


def version_of(event: NeuralEvent) -> bytes:
    """An event's version: a greater one is newer. No two events of a store have the same."""
    microseconds = (event.occurred_at - _FIRST_MOMENT) // _MICROSECOND
    return _joined(microseconds.to_bytes(8, "big"), event.event_id, event.source)


def _joined(moment: bytes, event_id: str, source: str) -> bytes:
    return moment + f"{_KEYED}{sort_key(event_id)}\0{source}".encode()


def keyed(version: bytes) -> bytes:
    """A version as it is written today, also if release 0.1.0 wrote it."""
    event_id, _, source = version[8:].decode().partition("\0")
    if not event_id or event_id.startswith(_KEYED):
        return version
    return _joined(version[:8], event_id, source)


def moment_of(version: bytes) -> dt.datetime:
    """When the event of this version occurred."""
    return _FIRST_MOMENT + int.from_bytes(version[:8], "big") * _MICROSECOND


def event_of(version: bytes) -> tuple[str, str]:
    """The id and source of the event of this version."""
    key, _, source = bytes(version[8:]).decode().partition("\0")
    return event_id_of(key.removeprefix(_KEYED)), source


class VersionField(models.BinaryField):
    """Bytes that are read as :func:`keyed`."""

    def from_db_value(self, value: Any, *_: Any) -> bytes | None:
        return None if value is None else keyed(bytes(value))

    def deconstruct(self) -> Any:
        """As the column that it is in the database."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs


def version_field(label: Any = None) -> models.BinaryField:
    """A column for the version of a row or of one aspect of it. Empty is older than every event."""
    return VersionField(label or _("version"), default=b"", db_default=b"", editable=False)


def newer_known(
    model: Any, column: str = "version", **key: Callable[[NeuralEvent, Any], Any]
) -> Callable[[NeuralEvent, Any], bool]:
    """For ``superseded`` of a handler: whether the row that it would write has a newer version in
    ``column``. ``key`` says how an event and its data give the fields that identify the row; with
    ``__in``, of several rows, all of which must be newer."""

    def is_known(event: NeuralEvent, data: Any) -> bool:
        rows = {name: value_of(event, data) for name, value_of in key.items()}
        newer = {f"{column}__gt": version_of(event)}
        number = prod(len(values) for name, values in rows.items() if name.endswith("__in"))
        known = model.objects.filter(store=event.store_id, **rows, **newer).count()
        return bool(known and known == number)

    return is_known


def stated_columns(model: type[models.Model], *, key: Sequence[str]) -> list[str]:
    """The columns that statements of a row replace: all but the primary key, what the database
    computes, and the fields of ``key``."""
    return [
        each.attname
        for each in model._meta.local_concrete_fields
        if not (each.primary_key or each.generated or each.name in key)
    ]


class NewestQuerySet(StoreScopedQuerySet):
    """Methods that write what an event states, unless a newer one is known.

    ``key`` names the fields of a unique constraint. Each method is one statement. Methods for many
    rows sort them by key, so that two transactions cannot deadlock.
    """

    def upsert_if_newer(
        self, *, key: dict[str, Any], version: bytes, values: dict[str, Any]
    ) -> bool:
        """Write the row of this key, unless the existing one has this version or a newer one.

        Returns whether it was written.
        """
        row = {**key, **values, "version": version}
        return self._upsert_newer([row], key=list(key)) > 0

    def upsert_many_if_newer(self, rows: Iterable[models.Model], *, key: Sequence[str]) -> int:
        """Write many rows as :meth:`upsert_if_newer` does. If several have one key, the newest is
        taken.

        Returns how many were written.
        """
        beside = stated_columns(self.model, key=key)
        newest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for each in rows:
            row = {name: getattr(each, self._field(name).attname) for name in (*key, *beside)}
            known = newest.setdefault(tuple(row[name] for name in key), row)
            known.update(row if row["version"] > known["version"] else {})
        return self._upsert_newer([newest[its_key] for its_key in sorted(newest)], key=key)

    def _upsert_newer(self, rows: Sequence[dict[str, Any]], *, key: Sequence[str]) -> int:
        insert, parameters = self._upsert(rows, conflict=key)
        beside = self._columns(name for name in rows[0] if name not in key)
        sets = ", ".join(f"{column} = excluded.{column}" for column in beside)
        newer = f"{self._table}.version < excluded.version"
        with self._connection.cursor() as cursor:
            cursor.execute(f"{insert} DO UPDATE SET {sets} WHERE {newer}", parameters)
            return int(cursor.rowcount)

    def insert_if_absent(self, *, key: dict[str, Any], values: dict[str, Any]) -> bool:
        """Write the row of this key, unless one exists. Returns whether it was written."""
        insert, parameters = self._upsert([{**key, **values}], conflict=list(key))
        with self._connection.cursor() as cursor:
            cursor.execute(f"{insert} DO NOTHING", parameters)
            return cursor.rowcount > 0

    def lock_or_create(self, **key: Any) -> Any:
        """The row of this key, created if it is missing, locked until the transaction ends.

        For rows whose aspects have a version each: compare the versions, then save.
        """
        (row,) = self.lock_or_create_many([tuple(key.values())], key=list(key))
        return row

    def lock_or_create_many(
        self, keys: Iterable[tuple[Any, ...]], *, key: Sequence[str]
    ) -> list[Any]:
        """The rows of these keys, as with :meth:`lock_or_create`, locked in the order of the keys.

        The lock is taken by an update that changes nothing. SELECT FOR UPDATE would find no row
        while another transaction is creating it.
        """
        rows = [dict(zip(key, each, strict=True)) for each in sorted(set(keys))]
        if not rows:
            return []
        insert, parameters = self._upsert(rows, conflict=key)
        column = self._column_beside(key)
        columns = ", ".join(self._columns(each.name for each in self.model._meta.concrete_fields))
        sql = f"{insert} DO UPDATE SET {column} = {self._table}.{column} RETURNING {columns}"
        connection = self._connection
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return objects_of(self.model, cursor.fetchall(), keys=key, connection=connection)

    # The statements contain only the model's own names; every value is bound.

    def _upsert(
        self, rows: Sequence[dict[str, Any]], *, conflict: Sequence[str]
    ) -> tuple[str, list[Any]]:
        names = list(rows[0])
        columns = ", ".join(self._columns(names))
        places = ", ".join(["(" + ", ".join("%s" for _ in names) + ")"] * len(rows))
        target = ", ".join(self._columns(conflict))
        sql = f"INSERT INTO {self._table} ({columns}) VALUES {places} ON CONFLICT ({target})"  # noqa: S608
        connection = self._connection
        fields = {name: self._field(name) for name in names}
        return sql, [
            field.get_db_prep_save(getattr(row[name], "pk", row[name]), connection=connection)
            for row in rows
            for name, field in fields.items()
        ]

    def _columns(self, names: Iterable[str]) -> list[str]:
        return [self._column(name) for name in names]

    def _column(self, name: str) -> str:
        return self._connection.ops.quote_name(self._field(name).column)

    def _column_beside(self, key: Sequence[str]) -> str:
        """A column that no foreign key can reference, so that PostgreSQL lets other rows refer to
        this one while it is locked."""
        own = self.model._meta.local_concrete_fields
        free = next(each for each in own if not (each.unique or each.generated or each.name in key))
        return self._connection.ops.quote_name(free.column)

    def _field(self, name: str) -> Any:
        return self.model._meta.get_field(name)

    @property
    def _table(self) -> str:
        return self._connection.ops.quote_name(self.model._meta.db_table)

    @property
    def _connection(self) -> Any:
        return connections[router.db_for_write(self.model)]
