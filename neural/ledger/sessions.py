"""Watches SQL statements of work that would affect other runs.

Atomic work shares its transaction with its outcome, and often with other runs. It shares its
database session with everything that its process does later. A statement that would end the
transaction is refused. A statement that changes the session (SET, advisory locks) is allowed, but
then no further run starts in that transaction, and the connection is closed afterwards.
"""

import os
import re
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from neural.errors import NeuralError

_ENDS_A_TRANSACTION = re.compile(
    r"\s*(COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b))\b",
    re.IGNORECASE,
)
_CHANGES_THE_SESSION = re.compile(
    r"\s*(?:SET|RESET|DISCARD)\b|\s*PRAGMA\s+[\w.]+\s*=|.*?\bset_config\s*\("
    r"|.*?\bpg_(?:try_)?advisory_lock(?:_shared)?\s*\(",
    re.IGNORECASE | re.DOTALL,
)
_ORDINARY = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "SAVEPOINT ", "RELEASE ")
"""How ordinary statements of Django's ORM begin."""
_NOT_CODE = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL
)
_OBSOLETE = 0.0


class TransactionStatementRefused(NeuralError):
    """Atomic work sent a statement that would end the transaction shared with its outcome."""


class ConnectionInherited(NeuralError):
    """A process that the work forked tried to use its parent's database connection."""


class Statements:
    """An execute wrapper for one connection, which checks each statement of the work."""

    def __init__(self, connection: BaseDatabaseWrapper, *, atomic: bool) -> None:
        self.connection = connection
        self.atomic = atomic
        self.changed_session = False
        self._process_id = os.getpid()
        self._driver = connection.connection

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        self._expect_own_connection()
        if isinstance(sql, str):
            self._look_at(sql)
        return execute(sql, params, many, context)

    def _expect_own_connection(self) -> None:
        driver = self.connection.connection
        if os.getpid() == self._process_id:
            self._driver = driver
        elif driver is self._driver:
            raise ConnectionInherited(
                "a forked process cannot use its parent's database connection: close it before"
            )

    def _look_at(self, sql: str) -> None:
        if sql.startswith(_ORDINARY) and ";" not in sql and not _may_change_session(sql):
            return
        for statement in _statements(sql):
            if self.atomic and (found := _ENDS_A_TRANSACTION.match(statement)):
                raise TransactionStatementRefused(
                    f"{found[1].upper()} is refused: atomic work is in one transaction with its "
                    "outcome. Say atomic=False for work with transactions of its own."
                )
            if changes_session(statement):
                self.changed_session = True
                self.connection.close_at = _OBSOLETE


def _statements(sql: str) -> list[str]:
    """The statements in a text, nearly always one. Quoted text and comments are removed if there
    may be more."""
    if not ("--" in sql[:200] or "/*" in sql[:200] or ";" in sql):
        return [sql]
    return _NOT_CODE.sub(" ", sql).split(";")


def changes_session(statement: str) -> bool:
    """Whether a statement changes the state of the database session."""
    return bool(_CHANGES_THE_SESSION.match(statement))


def _may_change_session(sql: str) -> bool:
    return "set_config" in sql or "advisory_lock" in sql


def renew() -> None:
    """Close connections whose session was changed; the next query opens a new connection."""
    for connection in connections.all(initialized_only=True):
        if connection.close_at == _OBSOLETE and not connection.in_atomic_block:
            connection.close()
            connection.close_at = None
