"""The connection to LanceDB: opened when first needed, refused in a child of a process that had it
open, with its errors translated and conflicts of writers retried."""

import datetime as dt
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from neural.retrieval.stores.base import StoreUnavailable, TableMissing, TableRefused

Answer = TypeVar("Answer")

RAISED_BY_LANCE = (RuntimeError, OSError, ValueError)
"""The exceptions that the library raises; it has no classes of its own."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_CONFLICT = ("conflict", "concurrent", "please retry", "index name")
"""Words in the messages of conflicts. The last is that of two writers that make one index at the
same time."""
_PATIENCE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_opened_by: int | None = None
"""The process that has opened LanceDB: this one, or the one that this one was forked from."""


def reason(error: Exception) -> str:
    """The library's message, without the position in its own source."""
    first_line = str(error).removeprefix("lance error: ").partition("\n")[0]
    return first_line.split(", /")[0].strip()


def after_conflicts(attempt: Callable[[], Answer], *, words: Sequence[str] = _CONFLICT) -> Answer:
    """Call ``attempt``, and repeat it for at most half a minute while other writers are faster:
    while the library's error has one of these words.

    A retry begins with the newest version of the table. Each conflict means that another writer has
    succeeded, so in the end all writers do.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    for pause in _pauses():
        try:
            return attempt()
        except RAISED_BY_LANCE as error:
            if not _has_any(error, words) or time.monotonic() + pause > give_up_at:
                raise
        time.sleep(pause)
    raise AssertionError("the pauses never end")


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Turn every error of the library into a :class:`StoreUnavailable` that says what failed."""
    try:
        yield
    except RAISED_BY_LANCE as error:
        raise StoreUnavailable(f"{what}: {reason(error)}") from error


def _has_any(error: Exception, words: Sequence[str]) -> bool:
    message = str(error).lower()
    return any(word in message for word in words)


def _pauses() -> Iterator[float]:
    longest = _FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(longest / 2, longest)
        longest = min(2 * longest, _LONGEST_PAUSE_SECONDS)


class Connection:
    """One process's connection to a location, with its open tables.

    The library's threads and locks do not survive a fork: of the children of a process that had it
    open, about one in fifteen crashes or waits for ever once it reads (measured with 0.40). So such
    a child is refused, whichever of its parent's connections was open.
    """

    def __init__(self, location: str, options: Mapping[str, str]) -> None:
        self.location = location
        self._options = dict(options)
        self._lock = threading.Lock()
        self._database: Any = None
        self._tables: dict[str, Any] = {}

    def database(self) -> Any:
        """The open connection of this process. Raises :class:`StoreUnavailable`, also in a child of
        a process that had one open."""
        if _opened_by not in (None, os.getpid()):
            raise StoreUnavailable(
                f"the vector store at {self.location} cannot be opened in process {os.getpid()}: "
                f"process {_opened_by} had LanceDB open when it forked, and LanceDB does not "
                "survive a fork. Search and index after forking only, or start processes by spawn"
            )
        with self._lock:
            if self._database is None:
                with unavailable(f"the vector store at {self.location} cannot be opened"):
                    self._database = _connect(self.location, self._options)
            return self._database

    def names(self) -> list[str]:
        """Names of all tables, sorted."""
        database = self.database()
        with unavailable(f"the tables of {self.location} cannot be listed"):
            return sorted(_names(database))

    @contextmanager
    def table(self, name: str) -> Iterator[Any]:
        """An open table. The library's errors are raised as :class:`TableMissing` or
        :class:`StoreUnavailable`."""
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
        """Forget the open table."""
        self._tables.pop(name, None)

    def _open(self, name: str) -> Any:
        database = self.database()
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = self._opened(database, checked(name))
        return table

    def _opened(self, database: Any, name: str) -> Any:
        def attempt() -> Any:
            try:
                return database.open_table(name)
            except RAISED_BY_LANCE as error:
                if name not in self.names():
                    # Raised here and not by the caller, which would look again and might find the
                    # table that another writer has made since.
                    raise self._missing(name) from error
                raise

        # Another writer may be making it: a table is listed before it can be opened.
        return after_conflicts(attempt, words=("not found",))

    def _missing(self, name: str) -> TableMissing:
        return TableMissing(f"no table {name!r} in {self.location}")


def checked(name: str) -> str:
    """The name, if it is valid for a table. Raises :class:`TableRefused`."""
    if not _NAME.fullmatch(name):
        raise TableRefused(f"{name!r} cannot be a table's name: letters, digits, '_', '-', '.'")
    return name


def _connect(location: str, options: dict[str, str]) -> Any:
    global _opened_by
    _opened_by = os.getpid()
    # Otherwise the library logs ordinary steps to standard error. It is imported here, not at the
    # top, because it starts threads.
    os.environ.setdefault("LANCEDB_LOG", "error")
    import lancedb

    # With an interval of 0, every call checks whether another process has written: one listing of a
    # directory.
    return lancedb.connect(
        location, read_consistency_interval=dt.timedelta(0), storage_options=options or None
    )


def _names(database: Any) -> Iterator[str]:
    page = database.list_tables()
    yield from page.tables
    while page.page_token:
        page = database.list_tables(page_token=page.page_token)
        yield from page.tables
