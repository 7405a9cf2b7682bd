"""A migration operation that renames a model's permissions along with the model.

Django renames a model's content type with it. Before Django 6.1, it does not rename the codenames
of the model's permissions, which contain the model's name. After the migration, Django would create
new permissions, which nobody holds.
"""

from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

DEFAULT_ACTIONS = ("add", "change", "delete", "view")


class RenamePermissions(Operation):
    """Rename a model's permissions, so that people and groups keep them.

    Put this operation after a ``RenameModel``. It does nothing where the database has no
    permissions, or none of this model yet. Where permissions of the new name exist too, everybody
    who held the old ones gets them.
    """

    reduces_to_sql = False

    def __init__(self, old_name: str, new_name: str) -> None:
        self.old_name = old_name
        self.new_name = new_name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Do nothing: permissions are rows and not part of the state."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        label = _label(to_state, app_label, self.new_name)
        _rename(schema_editor, app_label, self.old_name, self.new_name, label)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        label = _label(to_state, app_label, self.new_name)
        _rename(schema_editor, app_label, self.new_name, self.old_name, label)

    def describe(self) -> str:
        return f"Rename permissions of {self.old_name} to those of {self.new_name}"


def _label(state: ProjectState, app_label: str, model: str) -> str:
    """The model's verbose name as Django writes it into a permission's name."""
    return str(state.apps.get_model(app_label, model)._meta.verbose_name_raw)


def _rename(
    schema_editor: BaseDatabaseSchemaEditor, app_label: str, old: str, new: str, label: str
) -> None:
    permissions = _permissions(schema_editor, app_label, (old, new))
    if permissions is None:
        return
    for action in DEFAULT_ACTIONS:
        former = permissions.filter(codename=f"{action}_{old.lower()}").first()
        if former is None:
            continue
        present = permissions.filter(codename=f"{action}_{new.lower()}").first()
        if present is None:
            former.codename = f"{action}_{new.lower()}"
            former.name = f"Can {action} {label}"
            former.save(update_fields=("codename", "name"))
        else:
            _hand_over(former, present)


def _permissions(
    schema_editor: BaseDatabaseSchemaEditor, app_label: str, models: tuple[str, str]
) -> Any:
    """A model's permissions under any of these names; None if the database has no permissions."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if "auth_permission" not in connection.introspection.table_names(cursor):
            return None
    from django.contrib.auth.models import Permission

    if not router.allow_migrate_model(connection.alias, Permission):
        return None
    return Permission.objects.using(connection.alias).filter(
        content_type__app_label=app_label,
        content_type__model__in=[each.lower() for each in models],
    )


def _hand_over(former: Any, present: Any) -> None:
    """Give ``present`` to everybody who holds ``former``, and delete ``former``."""
    for relation in type(former)._meta.related_objects:
        if relation.many_to_many:
            held_by = relation.get_accessor_name()
            getattr(present, held_by).add(*getattr(former, held_by).all())
    former.delete()
