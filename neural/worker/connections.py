"""Database connections of a worker: closing broken ones, and short timeouts for the relay.

The connections of the pool's processes outlive a task (CELERY_DB_REUSE_MAX), so each must be
checked. The relay's connection must not wait.
"""

import select
from typing import Any

from django.db import connections

from neural.ledger.dialects import dialect_of, ledger_connection, ledger_dialect

DATABASE_PATIENCE_MILLISECONDS = 2000


def drop_broken_connections(**_: Any) -> None:
    """Before each task, close connections that are broken or too old.

    Django would check each server with a statement (CONN_HEALTH_CHECKS). But a connection that the
    server has ended has data to read, so only such a connection is checked.
    """
    connection: Any
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
            if is_silent(connection):
                connection.health_check_done = True


def is_silent(connection: Any) -> bool:
    """Whether nothing has come from the server since its last answer, not even the connection's
    end.

    False if that cannot be told. A connection whose other end is gone without notice is silent,
    too; a statement would get no answer either.
    """
    if not dialect_of(connection).has_socket or connection.connection is None:
        return False
    poller = select.poll()
    try:
        poller.register(connection.connection.fileno(), select.POLLIN)
    except connection.Database.Error:
        return False  # closed on this side
    return not poller.poll(0)


def be_impatient() -> None:
    """Make this thread's database connection give up soon instead of waiting for a lock."""
    connection = ledger_connection()
    if connection.in_atomic_block:
        return  # a caller's transaction (tests)
    connection.close_if_unusable_or_obsolete()
    if connection.connection is not None:
        return  # it got its timeout when it was opened
    with connection.cursor() as cursor:
        ledger_dialect().set_patience(cursor, str(DATABASE_PATIENCE_MILLISECONDS))
