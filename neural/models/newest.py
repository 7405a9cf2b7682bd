"""The newest statement wins, in whatever order statements arrive.

A row keeps the version of the event it was written from: its time, its id, its source.
Versions are bytes that compare as those three do, because every database compares bytes
alike, while the order of text depends on a collation.
"""

import datetime as dt
from typing import Any

from django.db import connections, models, router
from django.utils.translation import gettext_lazy as _

from neural.models.event import NeuralEvent
from neural.models.store import StoreScopedQuerySet

_FIRST_MOMENT = dt.datetime.min.replace(tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def version_of(event: NeuralEvent) -> bytes:
    """An event's version: greater means newer. No two events of a store have the same."""
    occurred_at, event_id = event.version
    microseconds = (occurred_at - _FIRST_MOMENT) // _MICROSECOND
    return microseconds.to_bytes(8, "big") + event_id.encode() + b"\0" + event.source.encode()


def moment_of(version: bytes) -> dt.datetime:
    """When the event of this version occurred."""
    return _FIRST_MOMENT + int.from_bytes(version[:8], "big") * _MICROSECOND


def version_field(label: Any = None) -> models.BinaryField:
    """The version of a row or of one aspect of it. Empty is older than every event."""
    label = label or _("version")
    return models.BinaryField(label, default=b"", db_default=b"", editable=False)


class NewestQuerySet(StoreScopedQuerySet):
    """Ways to write what an event says unless a newer one has spoken.

    ``key`` names the fields of a unique constraint; each way is one statement.
    """

    def put(self, *, key: dict[str, Any], version: bytes, values: dict[str, Any]) -> bool:
        """Write the row of this key unless it has this version or a newer one.

        Returns whether it wrote.
        """
        values = {**values, "version": version}
        insert, parameters = self._insert({**key, **values}, conflict=key)
        sets = ", ".join(f"{column} = excluded.{column}" for column in self._columns(values))
        newer = f"{self._table}.version < excluded.version"
        with self._connection.cursor() as cursor:
            cursor.execute(f"{insert} DO UPDATE SET {sets} WHERE {newer}", parameters)
            return cursor.rowcount > 0

    def add(self, *, key: dict[str, Any], values: dict[str, Any]) -> bool:
        """Write the row of this key unless there is one. Returns whether it wrote."""
        insert, parameters = self._insert({**key, **values}, conflict=key)
        with self._connection.cursor() as cursor:
            cursor.execute(f"{insert} DO NOTHING", parameters)
            return cursor.rowcount > 0

    def locked(self, **key: Any) -> Any:
        """The row of this key, made if need be, locked until the transaction ends.

        For rows with several aspects, each with a version: compare, then save. The update
        that changes nothing is what locks; SELECT FOR UPDATE finds no row to lock while
        another transaction is making it.
        """
        insert, parameters = self._insert(key, conflict=key)
        column = self._column_beside(key)
        sql = f"{insert} DO UPDATE SET {column} = {self._table}.{column} RETURNING *"
        (row,) = self.using(self._connection.alias).raw(sql, parameters)
        return row

    # The statements are built of the model's own names; every value is bound.

    def _insert(self, values: dict[str, Any], *, conflict: dict[str, Any]) -> tuple[str, list[Any]]:
        columns = ", ".join(self._columns(values))
        places = ", ".join("%s" for _each in values)
        target = ", ".join(self._columns(conflict))
        sql = f"INSERT INTO {self._table} ({columns}) VALUES ({places}) ON CONFLICT ({target})"  # noqa: S608
        return sql, [self._bound(name, value) for name, value in values.items()]

    def _bound(self, name: str, value: Any) -> Any:
        plain = value.pk if isinstance(value, models.Model) else value
        return self._field(name).get_db_prep_save(plain, connection=self._connection)

    def _columns(self, names: dict[str, Any]) -> list[str]:
        quote = self._connection.ops.quote_name
        return [quote(self._field(name).column) for name in names]

    def _column_beside(self, key: dict[str, Any]) -> str:
        """A column that no foreign key can point at: PostgreSQL then lets others refer to
        the row while it is locked."""
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
