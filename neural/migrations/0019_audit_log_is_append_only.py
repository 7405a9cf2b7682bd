"""Triggers: the database itself refuses to change or delete what is in the audit log.

PostgreSQL refuses both. TRUNCATE stays possible, because `manage.py flush` and Django's
TransactionTestCase need it: take that right from the role of the application (docs/audit.md).

SQLite refuses to change, and leaves what is to be deleted without an error: there the same two
delete from every table, and would fail. They leave the audit log as it is.

A later migration that alters one of these tables must create the triggers again: SQLite alters a
table by making it anew, without its triggers.
"""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLES = ("neural_auditentry", "neural_auditedrow")
FUNCTION = "neural_audit_log_is_append_only"

POSTGRESQL = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only: rows of % are neither changed nor deleted.',
        TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {function}();
"""
SQLITE = """
CREATE TRIGGER {table}_never_changed BEFORE UPDATE ON {table}
BEGIN
    SELECT RAISE(ABORT, 'The audit log is append-only: rows of {table} are never changed.');
END;
CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table}
BEGIN
    SELECT RAISE(IGNORE);
END;
"""


def create(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for table in TABLES:
        for statement in _statements(schema_editor.connection.vendor, table):
            schema_editor.execute(statement, params=None)


def remove(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        # With the function go the triggers that call it.
        schema_editor.execute(f"DROP FUNCTION {FUNCTION}() CASCADE", params=None)
        return
    for table in TABLES:
        for what in ("changed", "deleted"):
            schema_editor.execute(f"DROP TRIGGER {table}_never_{what}", params=None)


def _statements(vendor: str, table: str) -> list[str]:
    text = POSTGRESQL if vendor == "postgresql" else SQLITE
    names = {"table": table, "function": FUNCTION}
    return [f"CREATE {each.format(**names)}" for each in text.split("\nCREATE ")[1:]]


class Migration(migrations.Migration):
    dependencies = [("neural", "0018_audit_bulk_actions_and_views")]

    operations = [migrations.RunPython(create, remove)]
