"""Empties the database after a test that commits.

Django's own `flush` truncates every table and recreates content types and permissions. That takes
0.2 s on PostgreSQL, a few hundred times. Most tables are empty, and content types and permissions
are as the migrations made them. So we delete only the rows of the other tables, in 6 ms.

The audit log refuses that, so its triggers are switched off while its rows are deleted.
"""

from functools import cache

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

OF_MIGRATIONS = {"auth_permission", "django_content_type"}
APPEND_ONLY = ("neural_auditedrow", "neural_auditentry")


def delete_only_what_is_there() -> None:
    """Replace Django's flush, for all tests of this process."""
    TransactionTestCase._fixture_teardown = _fixture_teardown


def _fixture_teardown(self: TransactionTestCase) -> None:
    for alias in self._databases_names(include_mirrors=False):
        empty(alias)


def empty(alias: str) -> None:
    """Delete every row. Constraints are deferred, so the order of tables does not matter."""
    connection = connections[alias]
    quoted = {connection.ops.quote_name(name) for name in APPEND_ONLY}
    names = [connection.ops.quote_name(name) for name in _tables(alias)]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Wait for what killed processes have under way: otherwise it would commit afterwards.
            cursor.execute("SET LOCAL lock_timeout = '60s'")
            cursor.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
            some = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names)
            cursor.execute(" UNION ALL ".join(some))
            names = [name for (name,) in cursor.fetchall()]
        for name in names:
            if name in quoted:
                _empty_append_only(cursor, name)
            else:
                cursor.execute(f"DELETE FROM {name}")


def _empty_append_only(cursor: CursorWrapper, name: str) -> None:
    from neural.ledger.dialects import dialect_of  # models: only once the apps are loaded

    cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {name})")
    if not cursor.fetchone()[0]:
        return
    triggers = dialect_of(cursor.db).triggers(cursor, [name.strip('"')])
    for off, _ in triggers:
        cursor.execute(off)
    cursor.execute(f"DELETE FROM {name}")
    for _, on in triggers:
        cursor.execute(on)


@cache
def _tables(alias: str) -> list[str]:
    found = connections[alias].introspection.django_table_names(
        only_existing=True, include_views=False
    )
    return sorted(set(found) - OF_MIGRATIONS)
