"""The interface of a SQL dialect, with defaults that hold for most databases.

The ledger writes SQL itself because its speed depends on UPDATE … RETURNING and UPDATE … FROM,
which Django's ORM does not have. Values are always bound, never formatted into a statement. The
names in a statement are constants.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

IDLE, IN_TRANSACTION, IN_FAILED_TRANSACTION = 0, 2, 3
"""The states of a connection's transaction, with libpq's numbers."""

Columns = Mapping[str, str]
"""Names of columns and their PostgreSQL types, in order."""
Rows = Sequence[Sequence[Any]]


class Dialect:
    """The dialect of one kind of database; stateless.

    A database that holds the ledger needs a subclass that defines every attribute without a value
    here and every method that raises NotImplementedError. The other defaults hold for any database,
    and are used for connections to databases without a dialect.
    """

    # Statements

    clock: str
    """SQL of the database's current time; the same throughout one statement."""
    clock_plus: str
    """SQL of the database's current time plus a bound :meth:`seconds`."""
    skip_locked: str
    """A clause that makes a SELECT lock its rows and skip rows locked by another worker. Empty
    where there is one writer at a time."""
    share_lock = ""
    """A clause that makes a SELECT lock its rows against those who select them FOR UPDATE, and
    against nobody else. Empty where there is one writer at a time."""
    nobody_holds_its_key = "TRUE"
    """A condition on a row ``run`` that first waits for those who :meth:`hold` its unique key."""
    bound_moment: str
    """The placeholder of a bound :meth:`moment` among the values of an UPDATE."""
    least = "LEAST"
    greatest = "GREATEST"
    """The functions that return the least and the greatest of their arguments."""
    arrays: str
    """A table expression: the elements of one bound JSON array, as rows with a column ``value``."""
    pending = "state || '' = 'pending'"
    """A condition that the state is pending, for statements that find rows by their keys.

    The expression cannot use a partial index of pending rows. If a table was analyzed while nothing
    was pending, PostgreSQL expects one row in such an index, and would read the whole backlog
    instead of looking up a key.
    """
    no_limits: str
    """A condition that a run has no options that hold for it alone, so that it may be batched."""
    changes_rows_in_with: bool
    """Whether WITH may contain statements that change rows."""
    returns_joined_rows: bool
    """Whether UPDATE … FROM … RETURNING can return columns of the joined tables, too."""
    has_lateral = False
    """Whether a subquery in FROM may refer to tables before it."""

    def seconds(self, value: float) -> float | str:
        """A duration in the form that :attr:`clock_plus` binds."""
        raise NotImplementedError

    def moment(self, value: dt.datetime | None) -> str | None:
        """A point in time in the form that the database compares in hand-written SQL."""
        return None if value is None else self._moment(value.astimezone(dt.UTC))

    def _moment(self, utc: dt.datetime) -> str:
        raise NotImplementedError

    def is_one_of(self, column: str) -> str:
        """A condition that ``column`` is in a list bound by :meth:`bound_list`."""
        raise NotImplementedError

    def bound_list(self, values: Iterable[Any]) -> Any:
        """Values in the form that :meth:`is_one_of` binds."""
        raise NotImplementedError

    def as_json(self, expression: str) -> str:
        """An expression that turns JSON text into the value of a JSON column."""
        raise NotImplementedError

    def columns_of_arrays(self, columns: Columns) -> str:
        """The columns to SELECT from :attr:`arrays` if each element is a row: an array of values in
        the order of ``columns``. A nested JSON value becomes a column of type ``jsonb``, or text.
        """
        raise NotImplementedError

    def records(self, columns: Columns, name: str) -> str:
        """A table expression of this name: one bound JSON array of objects, a row for each."""
        raise NotImplementedError

    def table(self, columns: Columns, rows: Rows) -> tuple[str, list[Any]]:
        """A table expression with these rows (texts and dates), and its few parameters."""
        raise NotImplementedError

    def values(self, kinds: Sequence[str], columns: Rows) -> tuple[str, list[Any]]:
        """A query that returns rows of any types (``kinds``: the columns' types), whose values are
        given column by column, and its parameters."""
        raise NotImplementedError

    def elements(self, column: str) -> str:
        """A table expression: the elements of the array in a JSON column, as rows with a column
        ``value``."""
        raise NotImplementedError

    def join_elements(self, column: str, name: str) -> str:
        """A JOIN of each row to the elements of the array in its JSON column, as ``name.value``."""
        raise NotImplementedError

    def not_waiting_for_the_disk(self, condition: str) -> str:
        """An expression with the effect that the transaction's commit does not wait for the disk,
        if the condition holds for any row. Without effect where the database has no such option."""
        return "NULL"

    # Transactions

    flushes = False
    """Whether a commit may leave the disk to a later one: see :meth:`flush`."""

    def flush(self, cursor: CursorWrapper) -> None:
        """Commit, in a transaction of its own, so that whatever was committed before is on the
        disk, too. Does nothing where each commit waits for the disk."""

    retries_contention: bool
    """Whether to repeat a transaction at once after contention. False where a transaction that
    fails on a lock has already waited for as long as it may."""

    def writing(self, connection: BaseDatabaseWrapper) -> AbstractContextManager[object]:
        """The context in which to execute one statement that writes; a transaction where only a
        transaction waits fairly for the lock."""
        return nullcontext()

    def others_wait(self, connection: BaseDatabaseWrapper) -> bool:
        """Whether this transaction, which works on history, should end soon for others that wait to
        write. Never where there are many writers."""
        return False

    def claims_under_way(self, cursor: CursorWrapper) -> set[str]:
        """The transactions that claim runs now. Empty where there is one writer at a time."""
        return set()

    def lock(self, cursor: CursorWrapper, names: Iterable[str]) -> None:
        """Lock these names until the transaction ends; they need no rows. Does nothing where there
        is one writer at a time."""

    def hold(self, cursor: CursorWrapper, unique_key: str) -> None:
        """Keep the waiting run of this key from being claimed until the transaction ends. Does
        nothing where a transaction that has written is alone."""

    def writers(self, cursor: CursorWrapper, table: str) -> set[str]:
        """The other transactions that have written to this table and are still open. Empty where
        there is one writer at a time."""
        return set()

    def epoch_seconds(self, column: str) -> str:
        """SQL of the whole seconds from 1970 (UTC) to the time in a column, as an integer."""
        raise NotImplementedError

    @contextmanager
    def following_indexes(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Within this block, queries read rows in the order of an index, and do not scan and sort
        the table. Does nothing where the database has no way to ask for this."""
        yield

    def triggers(self, cursor: CursorWrapper, tables: Sequence[str]) -> Sequence[tuple[str, str]]:
        """The triggers of these tables, as far as they exist: of each a statement that switches it
        off, and one that switches it on. Both can be rolled back. None where it is not known."""
        return ()

    # Connections

    has_socket = False
    """Whether the driver's connection is a socket (``fileno``) that becomes readable when the
    server ends the connection."""
    survives_fork: bool
    """Whether a process may fork while it has an open connection."""

    def prepare(self, connection: Any) -> None:
        """Called with each new connection to the ledger's database."""

    def preparing_cursor(self, connection: BaseDatabaseWrapper) -> CursorWrapper:
        """A cursor whose statements are prepared, and so planned once, if the connection allows."""
        return connection.cursor()

    def patience(self, cursor: CursorWrapper) -> str:
        """The statement timeout (on SQLite, the wait for a lock), in the database's own form."""
        raise NotImplementedError

    def set_patience(self, cursor: CursorWrapper, milliseconds: str) -> None:
        """Set the connection's statement timeout, in milliseconds or in :meth:`patience`'s form."""
        raise NotImplementedError

    def transaction_status(self, driver: Any) -> int | None:
        """:data:`IDLE`, :data:`IN_TRANSACTION` or :data:`IN_FAILED_TRANSACTION`, as the driver
        knows it; no query is sent. None if it is unknown."""
        return None

    # The server, or the file

    def microseconds(self, connection: BaseDatabaseWrapper) -> int:
        """Microseconds since 1970 (UTC), by a clock that all workers share and that advances
        within a transaction."""
        raise NotImplementedError

    def file(self, connection: BaseDatabaseWrapper) -> Path | None:
        """The database's file on this machine; None if the database is on a server."""
        return None

    def journal_mode(self, cursor: CursorWrapper) -> str:
        """The journal mode of a database in a file; empty for other databases."""
        return ""
