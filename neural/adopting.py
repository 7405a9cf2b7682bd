"""Migrations of apps whose tables once belonged to the app `neural`.

A plain `migrate` converts a database of that time. The first migration of such an app finds its
tables, leaves them as they are and takes over their content types. Permissions that people hold
and entries of the admin's log refer to the content types, so they are kept.
"""

from collections.abc import Iterator
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.models import CreateModel
from django.db.migrations.state import ProjectState

from neural.errors import NeuralError

FORMER_LABEL = "neural"


class TablesHalfThere(NeuralError):
    """Some of an app's tables exist and others do not, so a migration cannot continue."""


class AdoptingMigration(migrations.Migration):
    """The first migration of an app: creates the app's tables, or takes over existing ones.

    Raises:
        TablesHalfThere: Some of the tables exist, but not all.
    """

    # Else `--fake-initial` would record this migration without moving the content types.
    initial = False
    made_tables = False
    """Whether this migration has just created the tables. The app adds its own rows only then."""

    def apply(
        self,
        project_state: ProjectState,
        schema_editor: BaseDatabaseSchemaEditor,
        collect_sql: bool = False,
    ) -> ProjectState:
        """Create the tables, or take them over if they exist."""
        if collect_sql:  # `sqlmigrate` only prints SQL, for a new database
            return super().apply(project_state, schema_editor, collect_sql)
        _take_over_content_types(self._names(), self.app_label, schema_editor)
        if self._all_there(schema_editor):
            return self.mutate_state(project_state)
        self.made_tables = True
        return super().apply(project_state, schema_editor, collect_sql)

    def mutate_state(self, project_state: ProjectState, preserve: bool = True) -> ProjectState:
        """Add the models to this app's state and remove them from that of the app `neural`, which
        still has them where its old migrations were only partly applied."""
        state = super().mutate_state(project_state, preserve)
        for name in self._names():
            if (FORMER_LABEL, name) in state.models:
                state.remove_model(FORMER_LABEL, name)
        return state

    def _names(self) -> list[str]:
        return [each.name_lower for each in self._models()]

    def _models(self) -> Iterator[CreateModel]:
        return (each for each in self.operations if isinstance(each, CreateModel))

    def _all_there(self, schema_editor: BaseDatabaseSchemaEditor) -> bool:
        options = {each.name: each.options for each in self._models()}
        tables = {
            each.get("db_table", f"{self.app_label}_{name.lower()}")
            for name, each in options.items()
            if not each.get("proxy")
        }
        connection = schema_editor.connection
        with connection.cursor() as cursor:
            there = tables & set(connection.introspection.table_names(cursor))
        if there and there != tables:
            raise TablesHalfThere(
                f"{self.app_label} needs the tables {', '.join(sorted(tables))}, and of them only "
                f"{', '.join(sorted(there))} exist: restore the database from before the change "
                "and migrate it whole"
            )
        return bool(there)


def _take_over_content_types(
    names: list[str], label: str, schema_editor: BaseDatabaseSchemaEditor
) -> None:
    """Move content types to this app before Django creates new ones after the migration: nobody
    would hold permissions on those."""
    content_types = _content_types(schema_editor)
    if content_types is None:
        return
    there = set(content_types.filter(app_label=label).values_list("model", flat=True))
    moving = content_types.filter(app_label=FORMER_LABEL, model__in=set(names) - there)
    moving.update(app_label=label)


def _content_types(schema_editor: BaseDatabaseSchemaEditor) -> Any:
    """The content types of this database, or None where it has no table of them."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if "django_content_type" not in connection.introspection.table_names(cursor):
            return None
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects.using(connection.alias)


def brings_tables(migration: Any, app_label: str, former_end: str) -> bool:
    """Whether this migration of a plan has just created the tables of an app.

    It is either the app's first migration, or the migration of the app `neural` whose name ends
    with ``former_end``, from the time when `neural` had these tables. An app that `neural` never
    had them for has a plain first migration.
    """
    if migration.app_label == FORMER_LABEL:
        return bool(migration.name.endswith(former_end))
    made = getattr(migration, "made_tables", False) or getattr(migration, "initial", False)
    return migration.app_label == app_label and bool(made)
