"""Versions compare the numbers in ids of events as numbers; those that release 0.1.0 wrote are
written anew, in slices, while its workers go on."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import IntegrityError, migrations, transaction

from neural.kit.online import in_slices
from neural.restaurant.models.newest import keyed

TABLES = {
    "availability": ("version",),
    "dayclose": ("version",),
    "dish": ("version",),
    "menu": ("version",),
    "openingstate": ("version",),
    "order": (
        *("content_version", "placed_version", "day_version", "status_version"),
        *("cancel_version", "settlement_version", "delivery_version"),
    ),
    "payment": ("version",),
    "salesreport": ("version",),
    "shift": ("version",),
    "stocklevel": ("level_version", "threshold_version"),
    "timecard": ("start_version", "end_version", "person_version"),
}
RANKED = "person_version"
"""Has a byte before the version."""


def key_anew(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    for name, columns in TABLES.items():
        rows = apps.get_model("neural_restaurant", name).objects.using(connection.alias)
        in_slices(rows, partial(_write, columns, connection))


def _write(columns: Sequence[str], connection: Any, rows: Any) -> None:
    changed = [
        (*new, key)
        for key, *old in rows.values_list("pk", *columns)
        if (new := [*map(_anew, columns, map(bytes, old))]) != [*map(bytes, old)]
    ]
    try:
        _update(rows.model, columns, changed, connection)
    except IntegrityError:
        for each in changed:
            _update_or_delete(rows, columns, each, connection)


def _anew(column: str, version: bytes) -> bytes:
    rank = 1 if column == RANKED else 0
    return version[:rank] + keyed(version[rank:])


def _update(model: Any, columns: Sequence[str], values: Sequence[Any], connection: Any) -> None:
    quoted = connection.ops.quote_name
    sets = ", ".join(f"{quoted(name)} = %s" for name in columns)
    statement = f"UPDATE {quoted(model._meta.db_table)} SET {sets} WHERE id = %s"  # noqa: S608
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.executemany(statement, values)


def _update_or_delete(rows: Any, columns: Sequence[str], values: Any, connection: Any) -> None:
    """Where each event has a row of its own, a worker of today's version may have written it once
    more, when the event was handled again."""
    try:
        _update(rows.model, columns, [values], connection)
    except IntegrityError:
        rows.filter(pk=values[-1]).delete()


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neural_restaurant", "0005_payments_without_a_time")]

    operations = [migrations.RunPython(key_anew, migrations.RunPython.noop, elidable=False)]
