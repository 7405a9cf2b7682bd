"""Talking to LanceDB: a connection, opened when first needed and anew after a fork; what its errors
mean, and trying again after a conflict of writers."""

import datetime as dt
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from neural.retrieval.stores.base import StoreUnavailable, TableMissing, TableRefused

Answer = TypeVar("Answer")

RAISED_BY_LANCE = (RuntimeError, OSError, ValueError)
"""What the library raises: it has no classes of its own."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_CONFLICT = ("conflict", "concurrent", "please retry", "index name")
"""Words of the messages that say so; the last of two that make one index at once."""
_PATIENCE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


def reason(error: Exception) -> str:
    """What the library said, without the place in its own source."""
    first_line = str(error).removeprefix("lance error: ").partition("\n")[0]
    return first_line.split(", /")[0].strip()


def after_conflicts(attempt: Callable[[], Answer]) -> Answer:
    """Do it, again and again while other writers come first, for half a minute at most.

    A writer that finds its turn taken starts from the newest version of the table, so that each
    attempt of one of several writers lets another's through: all of them get there.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    for pause in _pauses():
        try:
            return attempt()
        except RAISED_BY_LANCE as error:
            if not _is_conflict(error) or time.monotonic() + pause > give_up_at:
                raise
        time.sleep(pause)
    raise AssertionError("the pauses never end")


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Every error of the library becomes one of ours that says what could not be done."""
    try:
        yield
    except RAISED_BY_LANCE as error:
        raise StoreUnavailable(f"{what}: {reason(error)}") from error


def _is_conflict(error: Exception) -> bool:
    said = str(error).lower()
    return any(word in said for word in _CONFLICT)


def _pauses() -> Iterator[float]:
    longest = _FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(longest / 2, longest)
        longest = min(2 * longest, _LONGEST_PAUSE_SECONDS)


class Connection:
    """One process's connection to a location, and the tables that it has open.

    The library's threads and locks do not survive a fork. Whoever forks should not have opened
    it before; a child that inherits an open connection leaves it alone and opens its own.
    """

    def __init__(self, location: str, options: Mapping[str, str]) -> None:
        self.location = location
        self._options = dict(options)
        self._forget(os.getpid())

    def _forget(self, pid: int) -> None:
        self._pid = pid
        self._lock = threading.Lock()
        self._database: Any = None
        self._tables: dict[str, Any] = {}

    def database(self) -> Any:
        """The open connection of this process."""
        if self._pid != os.getpid():
            self._forget(os.getpid())
        with self._lock:
            if self._database is None:
                with unavailable(f"the vector store at {self.location} cannot be opened"):
                    self._database = _connect(self.location, self._options)
            return self._database

    def names(self) -> list[str]:
        """Names of the tables that are there."""
        database = self.database()
        with unavailable(f"the tables of {self.location} cannot be listed"):
            return sorted(_names(database))

    @contextmanager
    def table(self, name: str) -> Iterator[Any]:
        """A table to work with; the library's errors come out as ours."""
        try:
            yield self._open(name)
        except RAISED_BY_LANCE as error:
            self.close(name)
            if name not in self.names():
                raise self._missing(name) from error
            raise StoreUnavailable(
                f"table {name!r} of {self.location} cannot be read or written: {reason(error)}"
            ) from error

    def close(self, name: str) -> None:
        """Forget what is known of a table."""
        self._tables.pop(name, None)

    def _open(self, name: str) -> Any:
        database = self.database()
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = self._found(database, checked(name))
        return table

    def _found(self, database: Any, name: str) -> Any:
        try:
            return database.open_table(name)
        except RAISED_BY_LANCE as error:
            if name not in self.names():
                # Said here: looked for once more, it may be there, made by another writer.
                raise self._missing(name) from error
            return database.open_table(name)  # another writer has made it meanwhile

    def _missing(self, name: str) -> TableMissing:
        return TableMissing(f"no table {name!r} in {self.location}")


def checked(name: str) -> str:
    """The name, if it can be a table's."""
    if not _NAME.fullmatch(name):
        raise TableRefused(f"{name!r} cannot be a table's name: letters, digits, '_', '-', '.'")
    return name


def _connect(location: str, options: dict[str, str]) -> Any:
    # Its remarks on ordinary steps go to standard error otherwise. Loading it starts threads, so
    # it is not done before somebody searches or indexes.
    os.environ.setdefault("LANCEDB_LOG", "error")
    import lancedb

    # Every call looks whether another process has written: one listing of a directory.
    return lancedb.connect(
        location, read_consistency_interval=dt.timedelta(0), storage_options=options or None
    )


def _names(database: Any) -> Iterator[str]:
    page = database.list_tables()
    yield from page.tables
    while page.page_token:
        page = database.list_tables(page_token=page.page_token)
        yield from page.tables
