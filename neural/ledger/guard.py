"""Calls work (a handler or task), so that its run succeeds only if its writes will be committed.

This holds whether the work was called alone, in a batch or for many events at once. A
:class:`WorkGuard` looks at three things:

* **Transactions.** Two cases would pass unnoticed. Django silently rolls back a block that was
  marked for rollback. A block that was entered and not left would put everything that follows into
  a transaction that never ends.
* **Statements.** Atomic work shares its transaction with its outcome, and often with other runs. It
  shares its database session with everything that its process does later. A statement that would
  end the transaction is refused. A statement that changes the session (SET, advisory locks) is
  allowed, but then no further run starts in that transaction, and the connection is closed
  afterwards.
* **Hooks of ``transaction.on_commit``.** Django calls them one after the other and stops at the
  first that raises, although the transaction is committed. The hooks of one run must not depend on
  those of another. So an error of a hook is logged with the run that registered it, and the others
  are called all the same.
"""

import contextvars
import decimal
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from neural.kit.errors import NeuralError
from neural.ledger.dialects import dialect_of
from neural.ledger.dialects.base import IN_FAILED_TRANSACTION, IN_TRANSACTION
from neural.ledger.interrupts import SoftTimeLimitExceeded
from neural.ledger.work_errors import describe, only_exceptions, traceback_of

logger = logging.getLogger(__name__)

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
Hook = Callable[[], object]
Value = TypeVar("Value")
_LOST = "the work ended the transaction that it was in (it closed the connection, or left a block"
_LOST += " that it had not entered): nothing that it wrote is kept"
_OF_THE_CONNECTION = (SoftTimeLimitExceeded, OperationalError, InterfaceError)
"""Errors that are left to the caller, because the connection may be broken: the time limit may have
interrupted a query."""


class TransactionStatementRefused(NeuralError):
    """Atomic work sent a statement that would end the transaction shared with its outcome."""


class ConnectionInherited(NeuralError):
    """A process that the work forked tried to use its parent's database connection."""


# Statements


class Statements:
    """An execute wrapper for one connection, which checks each statement of the work."""

    def __init__(self, connection: BaseDatabaseWrapper, *, atomic: bool) -> None:
        self.connection = connection
        self.atomic = atomic
        self.changed_session = False
        self.wrote = False
        self._process_id = os.getpid()
        self._driver = connection.connection

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        driver = self.connection.connection
        if os.getpid() == self._process_id:
            self._driver = driver
        elif driver is self._driver:
            raise ConnectionInherited(
                "a forked process cannot use its parent's database connection: close it before"
            )
        self.wrote = self.wrote or not (isinstance(sql, str) and sql.startswith("SELECT "))
        if isinstance(sql, str):
            self._look_at(sql)
        return execute(sql, params, many, context)

    def _look_at(self, sql: str) -> None:
        if sql.startswith(_ORDINARY) and not (
            ";" in sql or "set_config" in sql or "advisory_lock" in sql
        ):
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


def renew() -> None:
    """Close connections whose session was changed; the next query opens a new connection."""
    for connection in connections.all(initialized_only=True):
        if connection.close_at == _OBSOLETE and not connection.in_atomic_block:
            connection.close()
            connection.close_at = None


# Hooks


@dataclass(frozen=True)
class Isolated:
    """A hook that logs its error instead of raising it."""

    function: Hook
    what: str
    """The work that registered the hook, for the log."""
    call: Callable[[Hook, str], None]

    def __call__(self) -> None:
        try:
            self.call(self.function, self.what)
        except Exception as error:  # noqa: BLE001 (its transaction has been committed)
            logger.error(
                "event=hook_failed %s hook=%s error=%r\n%s",
                self.what,
                getattr(self.function, "__qualname__", type(self.function).__name__),
                describe(error),
                traceback_of(error),
            )


def isolate(
    connection: BaseDatabaseWrapper, *, since: int, what: str, call: Callable[[Hook, str], None]
) -> None:
    """Isolate the hooks of a connection, except for the first ``since``.

    ``what`` names the work that registered them. ``call`` calls a hook, and must raise nothing but
    an Exception.
    """
    registered: list[Any] = connection.run_on_commit
    for place in range(since, len(registered)):
        blocks, function, _ = registered[place]
        if not isinstance(function, Isolated):
            registered[place] = (blocks, Isolated(function, what, call), False)


# Transactions


class NothingKept(NeuralError):
    """Work ended without an error, but its writes cannot be kept."""


class TransactionLost(NothingKept):
    """Work ended the transaction, so the writes of all runs in it are lost."""


class WorkGuard:
    """Calls and checks the work of one transaction, or of one two-step run."""

    def __init__(self, *, atomic: bool) -> None:
        self.changed_session = False
        """Whether work has changed the state of a database session."""
        self._watches = [_ConnectionGuard(each, atomic=atomic) for each in connections.all()]

    def call(self, function: Callable[[], Value], *, what: str) -> Value:
        """Call the function and return its value; ``what`` names the work in the log.

        Errors of the function are raised, any BaseException as an Exception. Raises
        :class:`NothingKept` if the function returned but its writes would not be committed.
        """
        for watch in self._watches:
            watch.begin()
        try:
            with only_exceptions():
                # The language, time zone and decimal context that it sets end with the call.
                value = contextvars.copy_context().run(_with_decimals_of_its_own, function)
        except _OF_THE_CONNECTION:
            raise
        except Exception as error:
            if any(watch.is_lost() for watch in self._watches):
                raise TransactionLost(f"{_LOST}; after {describe(error)}") from error
            raise
        finally:
            for watch in self._watches:
                watch.end()
                self.changed_session |= watch.statements.changed_session
        for watch in self._watches:
            watch.expect_all_kept()
            watch.isolate_hooks(what)
        return value

    @property
    def wrote_elsewhere(self) -> bool:
        """Whether work may have written to another database than the default one."""
        own = transaction.get_connection()
        return any(each.statements.wrote for each in self._watches if each.connection is not own)

    def renew_sessions(self) -> None:
        """Close connections whose session the work changed, so that no later work uses them. Call
        it while no transaction is open."""
        if self.changed_session:
            renew()


def _with_decimals_of_its_own(function: Callable[[], Value]) -> Value:
    decimal.setcontext(decimal.getcontext().copy())
    return function()


class _ConnectionGuard:
    """Compares a connection's state before the work with its state afterwards."""

    def __init__(self, connection: BaseDatabaseWrapper, *, atomic: bool) -> None:
        self.connection: Any = connection
        self.statements = Statements(connection, atomic=atomic)

    def begin(self) -> None:
        """Note the state of the connection before the work is called."""
        connection = self.connection
        self._depth = len(connection.atomic_blocks)
        self._hooks = len(connection.run_on_commit)
        self._was_in_transaction = _status(connection) == IN_TRANSACTION
        self._left_open = False
        connection.rollback_exc = None
        connection.execute_wrappers.append(self.statements)

    def end(self) -> None:
        """Stop watching statements, and roll back transactions that the work left open."""
        connection = self.connection
        if self.statements in connection.execute_wrappers:
            connection.execute_wrappers.remove(self.statements)
        for _ in range(len(connection.atomic_blocks) - self._depth):
            self._left_open = True
            _leave(connection)
        if not connection.in_atomic_block and _is_in_manual_transaction(connection):
            self._left_open = True
            connection.close()

    def is_lost(self) -> bool:
        """Whether the transaction in which the work was called has ended."""
        connection = self.connection
        if not self._depth:
            return False
        if connection.closed_in_transaction or len(connection.atomic_blocks) < self._depth:
            return True
        return self._was_in_transaction and _status(connection) not in (
            IN_TRANSACTION,
            IN_FAILED_TRANSACTION,
        )

    def expect_all_kept(self) -> None:
        """Raise :class:`NothingKept` unless the writes of the work will be committed."""
        if self.is_lost():
            raise TransactionLost(_LOST)
        if self._left_open:
            raise NothingKept(
                "the work began a transaction (atomic, set_autocommit, BEGIN) and did not end "
                "it: nothing that it wrote there is kept"
            )
        marked = self.connection.needs_rollback
        if self._depth and (marked or _status(self.connection) == IN_FAILED_TRANSACTION):
            raise NothingKept(
                "the work swallowed a database error, or asked for a rollback: nothing that it "
                "wrote is kept"
            ) from self.connection.rollback_exc

    def isolate_hooks(self, what: str) -> None:
        """Isolate the ``on_commit`` hooks that the work registered, so that one that raises does
        not stop those of other runs."""
        isolate_hooks(self.connection, since=self._hooks, what=what)


def isolate_hooks(
    connection: BaseDatabaseWrapper | None = None, *, since: int = 0, what: str = ""
) -> None:
    """Isolate the ``on_commit`` hooks of a connection (by default the default database's), except
    for the first ``since``: one that raises does not stop the others."""
    connection = connection or transaction.get_connection()
    isolate(connection, since=since, what=what, call=_call_hook)


def take_hooks() -> list[Hook]:
    """Take the ``on_commit`` hooks of the open transaction of the default database, isolated: they
    are the caller's to call."""
    isolate_hooks()
    connection: Any = transaction.get_connection()
    taken, connection.run_on_commit = connection.run_on_commit, []
    return [function for _, function, _ in taken]


def _call_hook(function: Callable[[], object], what: str) -> None:
    guard = WorkGuard(atomic=False)
    try:
        guard.call(function, what=what)
    finally:
        guard.renew_sessions()


def _status(connection: Any) -> int | None:
    """The transaction's status as the driver knows it; None without a connection or for an unknown
    driver."""
    driver: Any = connection.connection
    if driver is None:
        return None
    try:
        return dialect_of(connection).transaction_status(driver)
    except connection.Database.Error:
        return None  # closed behind Django's back


def _is_in_manual_transaction(connection: BaseDatabaseWrapper) -> bool:
    if connection.connection is None or not connection.settings_dict["AUTOCOMMIT"]:
        return False
    in_transaction = _status(connection) in (IN_TRANSACTION, IN_FAILED_TRANSACTION)
    return in_transaction or not connection.autocommit


def _leave(connection: BaseDatabaseWrapper) -> None:
    """Leave the innermost block as after an error."""
    block = connection.atomic_blocks[-1]
    error = NothingKept("the block was not left")
    try:
        block.__exit__(NothingKept, error, None)
    except Exception as second:  # noqa: BLE001 (the connection is unusable)
        logger.warning("event=connection_dropped alias=%s error=%r", connection.alias, second)
        connection.close()


def is_undone() -> bool:
    """Whether the open transaction of the default database can only be rolled back."""
    connection = transaction.get_connection()
    return connection.needs_rollback or connection.closed_in_transaction
