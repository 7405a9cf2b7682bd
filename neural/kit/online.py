"""Migration operations for large tables that workers use meanwhile.

Each takes its locks one at a time and for a moment, however many rows the table has. Django's own
operations copy the whole table on SQLite; on PostgreSQL they read it while nobody else may, and
block its writers while an index is built. The migration must not be atomic, or its locks would last
until its end and could be in each other's way with those of workers.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    RemoveConstraint,
)
from django.db.migrations.operations.base import Operation
from django.db.models import CheckConstraint

logger = logging.getLogger(__name__)

LOCK_NOT_AVAILABLE = "55P03"
LONGEST_WAIT = "1s"
ATTEMPTS = 300
"""How often a change waits for its lock, with a pause of a second between."""


class AddColumn(AddField):
    """Add a field that is nullable or has a constant ``db_default``. An interrupted migration can
    be run again: a column that is there already is left as it is."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        former = from_state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.name)
        if field.column in _columns(schema_editor, model):
            return
        if schema_editor.connection.vendor == "postgresql":
            _add_unchecked(schema_editor, former, field)
        else:
            # SQLite adds such a column at once; Django's editor for SQLite copies the table.
            BaseDatabaseSchemaEditor.add_field(schema_editor, former, field)


class AddColumns(Operation):
    """Add several fields to one model, each as :class:`AddColumn` does.

    Between two operations Django makes all related models anew, which takes most of the time of a
    migration that adds many fields one by one.
    """

    def __init__(self, model_name: str, fields: Sequence[tuple[str, Any]]) -> None:
        self.model_name = model_name
        self.fields = fields
        self._each = [AddColumn(model_name, name, field) for name, field in fields]

    def state_forwards(self, app_label: str, state: Any) -> None:
        models = state.__dict__.pop("apps", None)  # a state without them makes none anew
        for each in self._each:
            each.state_forwards(app_label, state)
        if models is not None:
            state.__dict__["apps"] = models
            relates = any(field.is_relation for _, field in self.fields)
            state.reload_model(app_label, self.model_name.lower(), delay=not relates)

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        for each in self._each:
            each.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        # Django's editor for SQLite may copy the table: each step needs the columns that are left.
        states = [to_state]
        for each in self._each:
            states.append(states[-1].clone())
            each.state_forwards(app_label, states[-1])
        for number, each in reversed([*enumerate(self._each)]):
            each.database_backwards(app_label, schema_editor, states[number + 1], states[number])

    def describe(self) -> str:
        return f"Add fields {', '.join(name for name, _ in self.fields)} to {self.model_name}"


def _columns(schema_editor: Any, model: Any) -> set[str]:
    if schema_editor.collect_sql:  # sqlmigrate: nothing is there yet
        return set()
    # Not `introspection.get_table_description`: on SQLite it parses the table's SQL, which takes a
    # tenth of the time of all migrations.
    table = schema_editor.quote_name(model._meta.db_table)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} LIMIT 0")  # noqa: S608
        return {column[0] for column in cursor.description}


def _add_unchecked(schema_editor: Any, model: Any, field: Any) -> None:
    """Add a column, and then the check of its values: PostgreSQL reads all rows for a check, here
    while others write."""
    check = field.db_parameters(connection=schema_editor.connection)["check"]
    if not check:
        _patiently(schema_editor, lambda: schema_editor.add_field(model, field))
        return
    table = schema_editor.quote_name(model._meta.db_table)
    column = schema_editor.quote_name(field.column)
    name = schema_editor.quote_name(f"{model._meta.db_table}_{field.column}_check")
    definition, parameters = schema_editor.column_sql(model, field, include_default=True)
    added = f"ADD COLUMN {column} {definition}, ADD CONSTRAINT {name} CHECK ({check}) NOT VALID"
    for change in (added, f"VALIDATE CONSTRAINT {name}"):
        statement = f"ALTER TABLE {table} {change}"
        _patiently(schema_editor, partial(schema_editor.execute, statement, parameters or None))
        parameters = []


def _patiently(schema_editor: Any, change: Callable[[], None]) -> None:
    """Make a change of one statement. All others wait behind one that waits for a lock, for example
    for the end of a backup. So it waits for a second only, lets them go first, and waits again."""
    connection = schema_editor.connection
    if connection.in_atomic_block or schema_editor.collect_sql:
        change()
        return
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _waiting_for(connection, change)
            return
        except OperationalError as error:
            is_locked = getattr(error.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE
            if not is_locked or attempt == ATTEMPTS:
                raise
            logger.warning("event=migration_waits_for_lock attempt=%d", attempt)
            time.sleep(1)


def _waiting_for(connection: Any, change: Callable[[], None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LONGEST_WAIT])
        try:
            change()
        finally:
            cursor.execute("RESET lock_timeout")


class WidenColumn(AlterField):
    """Let a text field take longer values, or a number all its digits (``numeric``). SQLite ignores
    both. PostgreSQL then writes no row anew, but reads all of them for the column's checks: here
    while others write."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if connection.vendor == "sqlite" or not self.allow_migrate_model(connection.alias, model):
            return
        field = model._meta.get_field(self.name)
        column = schema_editor.quote_name(field.column)
        known = (each for each in model._meta.constraints if isinstance(each, CheckConstraint))
        checks = {each.name: str(each.constraint_sql(model, schema_editor)) for each in known}
        checks = {f'"{name}"': check for name, check in checks.items() if column in check}
        changes = [f"DROP CONSTRAINT {name}" for name in checks]
        changes += [f"ALTER COLUMN {column} TYPE {field.db_type(connection)}"]
        changes += [f"ADD {check} NOT VALID" for check in checks.values()]
        for change in (", ".join(changes), *(f"VALIDATE CONSTRAINT {name}" for name in checks)):
            statement = f"ALTER TABLE {schema_editor.quote_name(model._meta.db_table)} {change}"
            _patiently(schema_editor, partial(schema_editor.execute, statement, None))

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)


class _BuiltInUse(Operation):
    """Builds what is an index while others write; on SQLite, they wait until it is built."""

    model_name: str

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        built: Any = getattr(self, "index", None) or getattr(self, "constraint", None)
        if schema_editor.connection.vendor == "postgresql":
            # A caller's transaction could not build it beside others.
            beside = "" if schema_editor.connection.in_atomic_block else "CONCURRENTLY "
            # What an interrupted migration left is incomplete.
            name = schema_editor.quote_name(built.name)
            schema_editor.execute(f"DROP INDEX {beside}IF EXISTS {name}", params=None)
            create = str(built.create_sql(model, schema_editor))
            create = create.replace("INDEX ", f"INDEX {beside}", 1)
            schema_editor.execute(create, params=None)
        elif built.name not in _indexes(schema_editor, model):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class AddIndexInUse(_BuiltInUse, AddIndex):
    """Add an index while others write."""


class AddUniqueInUse(_BuiltInUse, AddConstraint):
    """Add a unique constraint of expressions, which is an index, while others write."""


def _indexes(schema_editor: Any, model: Any) -> set[str]:
    if schema_editor.collect_sql:
        return set()
    introspection = schema_editor.connection.introspection
    with schema_editor.connection.cursor() as cursor:
        return set(introspection.get_constraints(cursor, model._meta.db_table))


class RemoveConstraintInUse(RemoveConstraint):
    """Remove a constraint that a longer one has replaced. SQLite copies the table, in one
    transaction; workers wait meanwhile."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        change = partial(super().database_forwards, app_label, schema_editor, from_state, to_state)
        if schema_editor.connection.vendor == "postgresql":
            _patiently(schema_editor, change)
            return
        with transaction.atomic(using=schema_editor.connection.alias):
            change()


SLICE = 1_000


def in_slices(rows: Any, write: Callable[[Any], object]) -> None:
    """Let ``write`` change these rows while others write: a slice is locked at a time. It may be
    interrupted, and run again."""
    after = 0
    while keys := [*rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:SLICE]]:
        after = keys[-1]
        done = _write_locked(rows.filter(pk__in=keys), write, skip_locked=True)
        # What others have locked is waited for row by row: who holds one lock while waiting for
        # another could wait for ever.
        for key in sorted({*keys} - done):
            _write_locked(rows.filter(pk=key), write)


def _write_locked(rows: Any, write: Callable[[Any], object], **lock: bool) -> set[int]:
    """Returns the keys of those that were locked."""
    with transaction.atomic(using=rows.db):
        keys = {*rows.select_for_update(no_key=True, **lock).values_list("pk", flat=True)}
        write(rows.filter(pk__in=keys))
    return keys
