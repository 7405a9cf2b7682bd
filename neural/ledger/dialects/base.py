"""What the SQL of our own asks of a database: its interface, with what most databases share.

Django's ORM has no UPDATE … RETURNING and no UPDATE … FROM, and the ledger's rates rest
on both. Values are always bound, never formatted into a statement; the names that a statement
is put together of are constants.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

IDLE, IN_TRANSACTION, IN_FAILED_TRANSACTION = 0, 2, 3
"""How a connection's transaction stands, as libpq numbers it."""

Columns = Mapping[str, str]
"""Kinds of columns, as PostgreSQL calls them, by name and in order."""
Rows = Sequence[Sequence[Any]]


class Dialect:
    """One for each kind of database, without state of its own.

    What has no value here, or raises NotImplementedError, a database must say to hold the
    ledger. The rest is what can be said of any: of connections to databases that are none of
    ours, too.
    """

    # Statements

    clock: str
    """The database's clock, as SQL; equal all through one statement."""
    clock_plus: str
    """The database's clock and as much as :meth:`seconds` binds, as SQL."""
    skip_locked: str
    """Has a SELECT lock its rows and pass over those that another worker is taking. Empty where
    there is one writer at a time."""
    bound_moment: str
    """The place of a bound :meth:`moment` among the values of an UPDATE."""
    arrays: str
    """The elements of one bound JSON array, as rows of ``value`` to SELECT from."""
    pending = "state || '' = 'pending'"
    """``state`` is pending, in a statement that finds its rows by their keys.

    Written so that no index of what is pending answers it. A table that was analyzed when
    nothing waited makes PostgreSQL expect that such an index holds one row, and it would read
    the whole backlog instead of looking up a key.
    """
    changes_rows_in_with: bool
    """Whether WITH may hold statements that change rows: then several go by one."""
    returns_joined_rows: bool
    """Whether UPDATE … FROM … RETURNING answers with columns of the other tables, too."""
    has_lateral = False
    """Whether a subquery in FROM may name what stands before it."""

    def seconds(self, value: float) -> float | str:
        """A length of time as :attr:`clock_plus` binds it."""
        raise NotImplementedError

    def moment(self, value: dt.datetime | None) -> str | None:
        """A point in time as the database compares it in a statement of ours."""
        return None if value is None else self._moment(value.astimezone(dt.UTC))

    def _moment(self, utc: dt.datetime) -> str:
        raise NotImplementedError

    def is_one_of(self, column: str) -> str:
        """``column`` is in the list bound by :meth:`bound_list`."""
        raise NotImplementedError

    def bound_list(self, values: Iterable[Any]) -> Any:
        """Values as :meth:`is_one_of` binds them."""
        raise NotImplementedError

    def as_json(self, expression: str) -> str:
        """JSON text as a column of JSON takes it."""
        raise NotImplementedError

    def columns_of_arrays(self, columns: Columns) -> str:
        """What to SELECT from :attr:`arrays` whose elements are rows: arrays of values, by place.
        Another JSON value is a column of kind ``jsonb``, or text."""
        raise NotImplementedError

    def records(self, columns: Columns, name: str) -> str:
        """One bound JSON array of objects as a table of this name; columns are found by name."""
        raise NotImplementedError

    def table(self, columns: Columns, rows: Rows) -> tuple[str, list[Any]]:
        """Texts and days, bound by a few parameters, as rows to SELECT from; and these."""
        raise NotImplementedError

    def elements(self, column: str) -> str:
        """The elements of the array in a column of JSON, as rows of ``value`` to SELECT from."""
        raise NotImplementedError

    def join_elements(self, column: str, name: str) -> str:
        """Joins them to the row whose column it is, each as ``name.value``."""
        raise NotImplementedError

    def not_waiting_for_the_disk(self, condition: str) -> str:
        """An expression that spares the transaction its wait for the disk when it is committed,
        if the condition holds of any row. Nothing where a commit cannot do without."""
        return "NULL"

    # Transactions

    retries_contention: bool
    """Whether what the database undid for the sake of another transaction is to be done again
    at once. Not where who finds it locked has waited as long as it may."""

    def lock(self, cursor: CursorWrapper, names: Iterable[str]) -> None:
        """Have these names to ourselves until the transaction ends, whether or not there is a row
        of them. Nothing where there is one writer at a time, who has everything."""

    @contextmanager
    def following_indexes(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Queries in the block follow the order of an index, and neither sort nor read the table
        instead; where no other way to ask for it is known, as they are planned."""
        yield

    # Connections

    has_socket = False
    """Whether the driver's connection is a socket (``fileno``) on which a server that ends it
    says so."""
    survives_fork: bool
    """Whether a connection may be open in a process that is forked meanwhile."""

    def preparing_cursor(self, connection: BaseDatabaseWrapper) -> CursorWrapper:
        """A cursor whose statements are planned once, where the connection allows it."""
        return connection.cursor()

    def patience(self, cursor: CursorWrapper) -> str:
        """For how many milliseconds a statement may wait, as the database says it."""
        raise NotImplementedError

    def set_patience(self, cursor: CursorWrapper, milliseconds: str) -> None:
        """Have the connection's statements give up after so long, or as :meth:`patience` said."""
        raise NotImplementedError

    def transaction_status(self, driver: Any) -> int | None:
        """:data:`IDLE`, :data:`IN_TRANSACTION` or :data:`IN_FAILED_TRANSACTION`, as the driver
        says; no query is sent. None where that cannot be told."""
        return None

    # The server, or the file

    def microseconds(self, connection: BaseDatabaseWrapper) -> int:
        """Since 1970 (UTC), by a clock that all workers share; it goes on within a
        transaction."""
        raise NotImplementedError

    def file(self, connection: BaseDatabaseWrapper) -> Path | None:
        """Where on this machine the database is, as it was set; None for a server's."""
        return None

    def journal_mode(self, cursor: CursorWrapper) -> str:
        """How a database in a file keeps its journal; empty for others."""
        return ""
