"""Apps whose tables were once those of the app `neural`.

A database of that time is carried over by a plain `migrate`: the first migration of such an app
finds its tables there, leaves them as they are and takes their content types over, and with those
the permissions that people hold and the entries of the admin's log.
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
    """Some of an app's tables exist and some do not: no migration can tell what happened."""


class AdoptingMigration(migrations.Migration):
    """The first migration of an app that takes over its tables where they exist.

    Raises:
        TablesHalfThere: Some of them exist.
    """

    # Not one that `--fake-initial` would record without the content types.
    initial = False
    made_tables = False
    """Whether it has just made them: what comes with the app comes with its tables."""

    def apply(
        self,
        project_state: ProjectState,
        schema_editor: BaseDatabaseSchemaEditor,
        collect_sql: bool = False,
    ) -> ProjectState:
        """Make the tables, or take them over."""
        if collect_sql:  # it is only shown, and of a new database
            return super().apply(project_state, schema_editor, collect_sql)
        _take_over_content_types(self._names(), self.app_label, schema_editor)
        if self._all_there(schema_editor):
            return self.mutate_state(project_state)
        self.made_tables = True
        return super().apply(project_state, schema_editor, collect_sql)

    def mutate_state(self, project_state: ProjectState, preserve: bool = True) -> ProjectState:
        """The models are this app's, and no longer those of the former one, which has them where
        its old migrations were only partly applied."""
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
        options = (each.options for each in self._models())
        tables = {each["db_table"] for each in options if not each.get("proxy")}
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
    """Before Django makes new ones after the migration, which nobody would hold."""
    content_types = _content_types(schema_editor)
    if content_types is None:
        return
    there = set(content_types.filter(app_label=label).values_list("model", flat=True))
    moving = content_types.filter(app_label=FORMER_LABEL, model__in=set(names) - there)
    moving.update(app_label=label)


def _content_types(schema_editor: BaseDatabaseSchemaEditor) -> Any:
    """The content types of this database, where it has them."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if "django_content_type" not in connection.introspection.table_names(cursor):
            return None
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects.using(connection.alias)


def brings_tables(migration: Any, app_label: str, former_end: str) -> bool:
    """Whether this migration of a plan has just made the tables of an app: its first one, or the
    one whose name ends so, of the time when they were the app `neural`'s."""
    if migration.app_label == FORMER_LABEL:
        return bool(migration.name.endswith(former_end))
    return migration.app_label == app_label and getattr(migration, "made_tables", False)
