"""The connection to LanceDB: opened when first needed, refused in a child of a process that had it
open, with its errors translated, conflicts of writers retried, and locks between processes."""

import datetime as dt
import fcntl
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from neural.retrieval.stores.base import StoreUnavailable, TableMissing, checked

Answer = TypeVar("Answer")

RAISED_BY_LANCE = (RuntimeError, OSError, ValueError)
"""The exceptions that the library raises; it has no classes of its own."""

_CONFLICT = ("conflict", "concurrent", "please retry", "index name")
"""Words in the messages of conflicts. The last is that of two writers that make one index at the
same time."""
_PATIENCE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 1.0
_opened_by: int | None = None
"""The process that has opened LanceDB: this one, or the one that this one was forked from."""


def reason(error: Exception) -> str:
    """The library's message, without the position in its own source."""
    first_line = str(error).removeprefix("lance error: ").partition("\n")[0]
    return first_line.split(", /")[0].strip()


def after_conflicts(attempt: Callable[[], Answer], *, words: tuple[str, ...] = _CONFLICT) -> Answer:
    """Call ``attempt``, and repeat it for at most half a minute while other writers are faster:
    while the library's error has one of these words.

    A retry begins with the newest version of the table. Each conflict means that another writer has
    succeeded, so in the end all writers do.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    longest = _FIRST_PAUSE_SECONDS
    while True:
        pause = random.uniform(longest / 2, longest)
        longest = min(2 * longest, _LONGEST_PAUSE_SECONDS)
        try:
            return attempt()
        except RAISED_BY_LANCE as error:
            is_conflict = any(word in str(error).lower() for word in words)
            if not is_conflict or time.monotonic() + pause > give_up_at:
                raise
        time.sleep(pause)


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Turn every error of the library into a :class:`StoreUnavailable` that says what failed."""
    try:
        yield
    except RAISED_BY_LANCE as error:
        raise StoreUnavailable(f"{what}: {reason(error)}") from error


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
            page = database.list_tables()
            names = list(page.tables)
            while page.page_token:
                page = database.list_tables(page_token=page.page_token)
                names += page.tables
        return sorted(names)

    @contextmanager
    def table(self, name: str) -> Iterator[Any]:
        """An open table. The library's errors are raised as :class:`TableMissing` or
        :class:`StoreUnavailable`."""
        try:
            yield self._open(name)
        except RAISED_BY_LANCE as error:
            self.close(name)
            self._check_that_it_is_there(name, error)
            raise StoreUnavailable(
                f"table {name!r} of {self.location} cannot be read or written: {reason(error)}"
            ) from error

    def close(self, name: str) -> None:
        """Forget the open table."""
        self._tables.pop(name, None)

    @contextmanager
    def turn(self, table: str, lock: str) -> Iterator[bool]:
        """Hold a lock of a table against other processes of this machine; yields True.

        At an ``s3://`` location there is no lock: yields False, and writers find out at their
        commit who was first. The lock file is in the table's own directory and is dropped with it.
        A process that dies releases it.
        """
        if "://" in self.location:
            yield False
            return
        path = Path(self.location) / f"{table}.lance" / lock
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield True
        finally:
            os.close(opened)

    def _open(self, name: str) -> Any:
        database = self.database()  # also for an open table: it refuses after a fork

        def attempt() -> Any:
            try:
                return database.open_table(checked(name))
            except RAISED_BY_LANCE as error:
                # Not looked up by the caller, which might find the table that another writer has
                # made since.
                self._check_that_it_is_there(name, error)
                raise

        if name not in self._tables:
            # Another writer may be making it: a table is listed before it can be opened.
            self._tables[name] = after_conflicts(attempt, words=("not found",))
        return self._tables[name]

    def _check_that_it_is_there(self, name: str, error: Exception) -> None:
        if name not in self.names():
            raise TableMissing(f"no table {name!r} in {self.location}") from error


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
