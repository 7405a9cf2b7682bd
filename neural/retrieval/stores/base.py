"""The interface of a vector store.

A store keeps *tables*. The rows of a table have one shape and are found by vectors, by tokens and
by key. A store does not know what the tokens mean, how several result lists are combined, or what a
collection is.

Every query states which rows it may see (:class:`Within`); there is no default. So the database
itself enforces whose rows a user sees.
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
    """A table cannot be made like this (its name, a column, or a shape that it does not have); the
    message says why."""


class ValueRefused(PermanentError):
    """A value cannot be stored or searched for, such as a key with a NUL character."""


class StoreUnavailable(NeuralError):
    """The vector store cannot be reached or written at the moment; a retry may help."""


class TableMissing(NeuralError):
    """There is no table of this name: it was dropped or never made."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The columns that the rows of a table have besides the fixed ones."""

    tokens: tuple[str, ...]
    """Names of the token columns."""
    vectors: tuple[str, ...]
    """Names of the vector columns. A row may lack any of them."""
    dimensions: int
    """The length of every vector."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The row of one record."""

    key: str
    store: str
    kind: str
    at: dt.datetime | None
    version: int
    """Microseconds since 1970 (UTC) at which the record was read. A row never replaces one with a
    greater version."""
    title: str
    names: tuple[str, ...] = ()
    text: str = ""
    tokens: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Tokens by column. A token contains no white space; repetitions count."""
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    """Vectors by column: float32, of length 1."""


def newest_of(rows: Sequence[Row]) -> list[Row]:
    """For each key the row with the greatest version (the last of equal ones), sorted by key.
    Writers that lock rows in the same order cannot deadlock."""
    newest = {row.key: row for row in sorted(rows, key=lambda row: row.version)}
    return [newest[key] for key in sorted(newest)]


@dataclass(frozen=True, kw_only=True)
class Within:
    """The rows that a query may see. Made by :meth:`every_store` or :meth:`of_stores`."""

    stores: frozenset[str] | None
    """Store codes. None: all rows, also those without a store. Empty: no rows."""
    kinds: frozenset[str] | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Rows with ``since <= at < until``. A row without a time is in no period."""

    @classmethod
    def every_store(cls) -> Self:
        """No limit: for callers that may see everything."""
        return cls(stores=None)

    @classmethod
    def of_stores(cls, codes: Collection[str]) -> Self:
        """Rows of these stores alone."""
        return cls(stores=frozenset(codes))


class Match(NamedTuple):
    """The key of a row that matches, and its score. A larger score is better; scores compare within
    one answer."""

    key: str
    score: float


@dataclass(frozen=True, kw_only=True)
class TableSize:
    """The size of a table."""

    rows: int
    unindexed_rows: int
    """Rows that no index covers yet, so that queries read each of them."""
    bytes: int


class VectorStore(ABC):
    """Where rows are kept. There is one object per process; threads may share it.

    Nothing is opened before the first call, and a connection is opened again after a fork. A store
    that cannot be reached raises :class:`StoreUnavailable`, a missing table :class:`TableMissing`.
    Several processes may write one table at the same time without losing rows.
    """

    answers_at_once = False
    """Whether one search may query from several threads. Not if each thread would need its own
    connection, which would not see the caller's transaction."""

    notes_writes = False
    """Whether the store notes how often a table was written (:meth:`note_writes`), so that a
    database restored from a backup is detected (``retrieval/index/restored.py``). Not needed if the
    tables are in the database itself and are restored with it."""

    @abstractmethod
    def create(self, table: str, shape: Shape) -> None:
        """Make an empty table. An existing table of the same shape is left as it is. Raises
        :class:`TableRefused`."""

    @abstractmethod
    def drop(self, table: str) -> None:
        """Remove a table with all its rows. A missing table is no error."""

    @abstractmethod
    def tables(self) -> list[str]:
        """Names of all tables, sorted."""

    @abstractmethod
    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        """Write rows in one commit. A row replaces that of the same key unless that one's
        ``version`` is greater. If ``rows`` has several of one key, the one with the greatest
        version counts."""

    @abstractmethod
    def delete(self, table: str, keys: Collection[str]) -> None:
        """Remove rows in one commit. Missing keys are no error."""

    @abstractmethod
    def count(self, table: str, *, within: Within) -> int:
        """The number of rows within."""

    @abstractmethod
    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        """At most ``limit`` rows by cosine similarity (-1 to 1) of a vector column, best first.
        Rows without that vector are left out. Approximate once the table is indexed."""

    @abstractmethod
    def matching(
        self, table: str, *, column: str, tokens: Collection[str], within: Within, limit: int
    ) -> list[Match]:
        """At most ``limit`` rows that have any of these tokens in a token column, by BM25 or
        similar, best first."""

    @abstractmethod
    def rows(self, table: str, keys: Sequence[str], *, within: Within) -> dict[str, Row]:
        """Rows by key, with vectors but without tokens. Missing rows are left out."""

    @abstractmethod
    def compact(self, table: str) -> TableSize:
        """Compact the table after many small writes, bring all rows into the indexes, and make
        approximate indexes once the table is large enough. Queries go on meanwhile. Returns the new
        size."""

    @abstractmethod
    def size(self, table: str) -> TableSize:
        """The size of a table, and how many of its rows are not indexed yet."""

    def writes_noted(self, table: str) -> int | None:
        """The greatest number noted for a table; None if none was noted, or the store notes
        none."""
        return None

    def note_writes(self, table: str, number: int) -> None:  # noqa: B027 (most need not)
        """Note a number beside a table unless a greater one is there, also when others note one at
        the same time. It is dropped with the table."""
