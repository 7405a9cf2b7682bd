"""Migration operations for large tables that workers use meanwhile.

Each takes a short lock, however many rows the table has. Django's own operations copy the whole
table on SQLite, and block its writers on PostgreSQL while an index is built.
"""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import AddField, AddIndex, AlterField


class AddColumn(AddField):
    """Add a field that is nullable or has a constant ``db_default``."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            former = from_state.apps.get_model(app_label, self.model_name)
            field = model._meta.get_field(self.name)
            # SQLite adds such a column at once; Django's editor for SQLite copies the table.
            BaseDatabaseSchemaEditor.add_field(schema_editor, former, field)


class WidenColumn(AlterField):
    """Let a text field take longer values. SQLite ignores the length."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self.database_forwards(app_label, schema_editor, from_state, to_state)


class AddIndexInUse(AddIndex):
    """Add an index while others write. The migration must not be atomic."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(schema_editor.connection.alias, model):
            # What a former, interrupted migration left is incomplete.
            schema_editor.remove_index(model, self.index, concurrently=True)
            schema_editor.add_index(model, self.index, concurrently=True)
