"""What a vector store does.

A store keeps *tables*. A table has rows of one shape, found by vectors, by tokens and by key.
What the tokens mean, how lists are put together and what a collection is, a store does not know.

Every query says within what it looks (:class:`Within`), there is no default: which stores' rows
may be seen is part of the query that the database answers.
"""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from neural.errors import NeuralError, PermanentError

Vector = npt.NDArray[np.float32]


class TableRefused(PermanentError):
    """A table cannot be like this (its name, a column, another shape than it has): it says why."""


class ValueRefused(PermanentError):
    """A value that the store cannot keep or look for, such as a key with a NUL character."""


class StoreUnavailable(NeuralError):
    """The vector store cannot be reached or written just now; trying again may help."""


class TableMissing(NeuralError):
    """There is no table of this name: it was dropped, or never made."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the rows of a table have."""

    tokens: tuple[str, ...]
    """Names of the token columns."""
    vectors: tuple[str, ...]
    """Names of the vector columns. A row may lack any of them."""
    dimensions: int
    """Of each vector."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is kept of one record."""

    key: str
    store: str
    kind: str
    at: dt.datetime | None
    version: int
    """Microseconds since 1970 (UTC) at which the record was read: an older one changes nothing."""
    title: str
    names: tuple[str, ...] = ()
    text: str = ""
    tokens: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By column; none contains white space. Repetitions count."""
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    """By column; float32 of unit length."""


def newest_of(rows: Sequence[Row]) -> list[Row]:
    """Of each key the row with the greatest version (of equal ones the last), by key: writers that
    lock rows in one order wait for each other, and never in a circle."""
    newest = {row.key: row for row in sorted(rows, key=lambda row: row.version)}
    return [newest[key] for key in sorted(newest)]


@dataclass(frozen=True, kw_only=True)
class Within:
    """Which rows a query may see. Made by :meth:`every_store` or :meth:`of_stores`."""

    stores: frozenset[str] | None
    """Codes; None: rows of every store and of none. Empty: no row at all."""
    kinds: frozenset[str] | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Rows with ``since <= at < until``; one without a time is in no period."""

    @classmethod
    def every_store(cls) -> Self:
        """No limit: for callers that may see everything."""
        return cls(stores=None)

    @classmethod
    def of_stores(cls, codes: Collection[str]) -> Self:
        """Rows of these stores alone."""
        return cls(stores=frozenset(codes))


class Match(NamedTuple):
    """A row that fits, and how well: the larger the better, comparable within one answer."""

    key: str
    score: float


@dataclass(frozen=True, kw_only=True)
class TableSize:
    """How large a table is."""

    rows: int
    unindexed_rows: int
    """Rows that queries read one by one, as no index covers them yet."""
    bytes: int


class VectorStore(ABC):
    """Where rows are kept. One object a process; safe to use from several threads.

    Nothing is opened before the first call, and what is open is opened anew after a fork. What
    cannot be reached raises :class:`StoreUnavailable`, a table that is not there
    :class:`TableMissing`. Several processes may write one table at once: no row is lost.
    """

    answers_at_once = False
    """Whether the questions of one search are asked from several threads. Not where each thread
    would need a connection of its own, which sees nothing of the caller's transaction."""

    notes_writes = False
    """Whether it notes how often a table was written (:meth:`note_writes`), so that a database
    that was restored from a backup is found out (``retrieval/index/restored.py``). Not where tables
    are in the database itself: they are restored with it."""

    @abstractmethod
    def create(self, table: str, shape: Shape) -> None:
        """Make an empty table. One that is there already, of the same shape, stays as it is."""

    @abstractmethod
    def drop(self, table: str) -> None:
        """Remove a table with all its rows. One that is not there is no error."""

    @abstractmethod
    def tables(self) -> list[str]:
        """Names of all tables, sorted."""

    @abstractmethod
    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        """Write rows in one commit, each over the one of its key unless that one's ``version``
        is greater. Of rows of one key in ``rows`` the one with the greatest version counts."""

    @abstractmethod
    def delete(self, table: str, keys: Collection[str]) -> None:
        """Remove rows in one commit. Keys that are not there are no error."""

    @abstractmethod
    def count(self, table: str, *, within: Within) -> int:
        """How many rows there are."""

    @abstractmethod
    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        """Rows by cosine similarity (from -1 to 1) of a vector column, best first. Rows without
        that vector are left out. Approximate once the table is indexed."""

    @abstractmethod
    def matching(
        self, table: str, *, column: str, tokens: Collection[str], within: Within, limit: int
    ) -> list[Match]:
        """Rows with any of these tokens in a token column, by BM25 (or the like), best first."""

    @abstractmethod
    def rows(self, table: str, keys: Sequence[str], *, within: Within) -> dict[str, Row]:
        """Rows by key, without tokens but with vectors; those that are not there are left out."""

    @abstractmethod
    def compact(self, table: str) -> TableSize:
        """Compact what many small writes have left, bring all rows into the indexes, and make
        approximate indexes once the table is large enough for them. Queries go on meanwhile."""

    @abstractmethod
    def size(self, table: str) -> TableSize:
        """How large a table is, and how much of it is not indexed yet."""

    def writes_noted(self, table: str) -> int | None:
        """The greatest number that was noted of a table; None if none was, or none is kept."""
        return None

    def note_writes(self, table: str, number: int) -> None:  # noqa: B027 (most need not)
        """Keep a number beside a table, unless a greater one is there, whoever else notes one at
        the same time. It goes with the table."""
