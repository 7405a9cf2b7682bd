"""The role of the guide: it may add entries to the audit log and read them, and nothing else."""

import re

import pytest
from django.db import DatabaseError, connection, transaction

from neural.audit import record
from neural.models import AuditEntry, AuditSource
from tests.unit.project.test_docs import text

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles"),
]

REFUSED = (
    "UPDATE neural_auditentry SET actor = 'nobody'",
    "DELETE FROM neural_auditedrow",
    "TRUNCATE neural_auditentry",
    "ALTER TABLE neural_auditentry DISABLE TRIGGER ALL",
    "DROP TRIGGER neural_auditentry_append_only ON neural_auditentry",
)


@pytest.mark.parametrize("name", ["docs/reference/audit.md", "docs/zh/reference/audit.md"])
def test_the_role_adds_entries_and_can_neither_change_nor_remove_any(name: str) -> None:
    (sql,) = re.findall(r"```sql\n(.*?)```", text(name), re.S)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.execute("SET LOCAL ROLE neural_app")

        record(action="run.retry", by="lee", source=AuditSource.ADMIN)

        assert AuditEntry.objects.get().actor == "lee"
        for statement in REFUSED:
            with pytest.raises(DatabaseError), transaction.atomic():
                cursor.execute(statement)
        assert AuditEntry.objects.get().actor == "lee"
