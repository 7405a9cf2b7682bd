"""More triggers: the database refuses also TRUNCATE (PostgreSQL), and on SQLite DELETE with an
error, and INSERT OR REPLACE, which is neither an UPDATE nor a DELETE.

`manage.py flush` and Django's TransactionTestCase empty every table, so our `flush` switches the
triggers off within its own transaction.

A trigger of the same name is replaced: for a while the migration before this one made them itself.
A later migration that alters one of these tables must create the triggers of both again: SQLite
alters a table by making it anew, without its triggers.
"""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLES = ("neural_auditentry", "neural_auditedrow")

POSTGRESQL = (
    """
CREATE TRIGGER {table}_never_truncated BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION neural_audit_log_is_append_only();
""",
)
SQLITE = (
    """
CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table}
BEGIN
    SELECT RAISE(ABORT, 'The audit log is append-only: rows of {table} are never deleted.');
END;
""",
    """
CREATE TRIGGER {table}_never_replaced BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'The audit log is append-only: rows of {table} are never replaced.');
END;
""",
)
SQLITE_BEFORE = """
CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table}
BEGIN
    SELECT RAISE(IGNORE);
END;
"""


def create(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _drop(schema_editor)
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    _create(schema_editor, *(POSTGRESQL if is_postgresql else SQLITE))


def remove(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _drop(schema_editor)
    if schema_editor.connection.vendor != "postgresql":
        _create(schema_editor, SQLITE_BEFORE)


def _drop(schema_editor: BaseDatabaseSchemaEditor) -> None:
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for table in TABLES:
        for what in ("truncated",) if is_postgresql else ("deleted", "replaced"):
            on_table = f" ON {table}" if is_postgresql else ""
            schema_editor.execute(
                f"DROP TRIGGER IF EXISTS {table}_never_{what}{on_table}", params=None
            )


def _create(schema_editor: BaseDatabaseSchemaEditor, *statements: str) -> None:
    for table in TABLES:
        for each in statements:
            schema_editor.execute(each.format(table=table), params=None)


class Migration(migrations.Migration):
    dependencies = [("neural", "0019_audit_log_is_append_only")]

    operations = [migrations.RunPython(create, remove)]
