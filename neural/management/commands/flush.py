"""`manage.py flush`: Django's own command, which can also empty the audit log."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.apps import apps
from django.core.management.commands import flush
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from neural.audit.models import AppendOnlyModel
from neural.ledger.dialects import dialect_of


class Command(flush.Command):
    """Empty every table, those of the audit log too."""

    def handle(self, **options: Any) -> None:
        """Flush, with the triggers of the audit log switched off in the flush's transaction."""
        connection = connections[options["database"]]
        # Django executes all statements in one transaction, and has no other place to add some.
        connection.ops.execute_sql_flush = partial(_flush, connection)  # type: ignore[method-assign]
        try:
            super().handle(**options)
        finally:
            del connection.ops.execute_sql_flush


def _flush(connection: BaseDatabaseWrapper, statements: Sequence[str]) -> None:
    models = (each for each in apps.get_models() if issubclass(each, AppendOnlyModel))
    tables = [each._meta.db_table for each in models]
    with connection.cursor() as cursor:
        triggers = dialect_of(connection).triggers(cursor, tables)
    switched_off, switched_on = zip(*triggers, strict=True) if triggers else ((), ())
    stock = type(connection.ops).execute_sql_flush
    stock(connection.ops, [*switched_off, *statements, *switched_on])
