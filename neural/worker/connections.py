"""A worker's database connections: those of its pool outlive a task (CELERY_DB_REUSE_MAX), so is
the server still there? That of its relay must not wait."""

import select
from typing import Any

from django.db import connections

from neural.ledger.dialects import dialect_of, ledger_connection, ledger_dialect

DATABASE_PATIENCE_MILLISECONDS = 2000


def drop_broken_connections(**_: Any) -> None:
    """Before each task, close what is broken or too old.

    Django asks each server with a statement (CONN_HEALTH_CHECKS). But a connection that the
    server has ended says so by itself: only where something has come is it asked.
    """
    connection: Any
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
            if is_silent(connection):
                connection.health_check_done = True


def is_silent(connection: Any) -> bool:
    """Whether nothing has come from the server since its last answer: no farewell, and not
    the end of the connection. False where that cannot be told.

    A connection of which the other half is gone without a word is silent, too; a question
    would have no answer either.
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
    """This thread's database connection gives up soon instead of waiting for a lock."""
    connection = ledger_connection()
    if connection.in_atomic_block:
        return  # a caller's transaction (tests)
    connection.close_if_unusable_or_obsolete()
    if connection.connection is not None:
        return  # it was made impatient when it was opened
    with connection.cursor() as cursor:
        ledger_dialect().set_patience(cursor, str(DATABASE_PATIENCE_MILLISECONDS))
