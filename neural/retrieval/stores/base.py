"""The interface of a vector store.

A store keeps *tables*. The rows of a table have one shape and are found by vectors and by key. What
the records say, and their words, are in the database (``stores/words.py``).

Every query states which rows it may see (:class:`Within`); there is no default. A vector store
narrows by the stores alone. The database narrows by everything, also by the stores once more, so
that it enforces itself whose rows a user sees.
"""

import datetime as dt
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neural.kit.errors import NeuralError, PermanentError

Vector = npt.NDArray[np.float32]


class TableRefused(PermanentError):
    """A table cannot be made like this (its name, a column, or a shape that it does not have); the
    message says why."""


class ValueRefused(PermanentError):
    """A value cannot be stored or searched for, such as a key with a NUL character, or a vector of
    another length than those of the table."""


class StoreUnavailable(NeuralError):
    """The vector store cannot be reached or written at the moment; a retry may help."""


class TableMissing(NeuralError):
    """There is no table of this name: it was dropped or never made."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The columns that the rows of a table have besides the fixed ones."""

    vectors: tuple[str, ...]
    """Names of the vector columns. A row may lack any of them."""
    dimensions: int
    """The length of every vector."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The vectors of one record."""

    key: str
    store: str
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    """Vectors by column: float32, of length 1."""


_TABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}")


def checked(table: str) -> str:
    """The name, if a table may have it. Raises :class:`TableRefused`."""
    if not _TABLE.fullmatch(table):
        raise TableRefused(
            f"{table!r} cannot be a table's name: at most 40 letters, digits, '_', '-', '.'"
        )
    return table


def refused_shape(table: str, there: Shape, wanted: Shape) -> TableRefused:
    return TableRefused(f"table {table!r} is there with {there}, not {wanted}")


def fitting(vector: Vector, dimensions: int) -> Vector:
    """The vector, if it has so many dimensions. Raises :class:`ValueRefused`."""
    if vector.shape != (dimensions,):
        raise ValueRefused(
            f"a vector of shape {vector.shape} for a table of {dimensions} dimensions: it was "
            "made with another model; rebuild the index"
        )
    return vector


class FactCondition(NamedTuple):
    """What a fact of a record must be."""

    name: str
    operator: str
    """One of = in > >= < <=; ``in`` has several values."""
    value: Any
    """A date stands for the beginning of the day."""


@dataclass(frozen=True, kw_only=True)
class Within:
    """The rows that a query may see."""

    stores: frozenset[str] | None
    """Store codes. None: all rows, also those without a store. Empty: no rows."""
    kinds: frozenset[str] | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Rows with ``since <= at < until``. A row without a time is in no period."""
    facts: tuple[FactCondition, ...] = ()
    """Conditions on the facts of records."""
    keys: Mapping[str, dt.datetime] | None = None
    """The only rows, by key, with the time that counts for each. None: all."""

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves out rows of its stores. Vector stores do not know which."""
        return bool(self.kinds is not None or self.since or self.until or self.facts or self.keys)


def sees_nothing(within: Within) -> bool:
    """Whether no row can match."""
    return within.stores == frozenset() or within.kinds == frozenset()


class Match(NamedTuple):
    """The key of a row that matches, and its score. A larger score is better; scores compare within
    one answer."""

    key: str
    score: float


class VectorStore(ABC):
    """Where rows are kept. There is one object per process; threads may share it.

    Nothing is opened before the first call, and a connection is opened again after a fork. A store
    that cannot be reached raises :class:`StoreUnavailable`, a missing table :class:`TableMissing`.
    Several processes may write one table at the same time without losing rows.
    """

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
        """Write rows in one commit. A row replaces that of the same key, of several the last
        counts; one without vectors need not be kept."""

    @abstractmethod
    def delete(self, table: str, keys: Collection[str]) -> None:
        """Remove rows in one commit. Missing keys are no error."""

    @abstractmethod
    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        """At most ``limit`` rows by cosine similarity (-1 to 1) of a vector column, best first.
        Rows without that vector are left out. It may be approximate."""

    @abstractmethod
    def vectors(self, table: str, key: str) -> Mapping[str, Vector]:
        """The vectors of a row by column; none if there is no such row."""

    @abstractmethod
    def size(self, table: str) -> int:
        """About how many bytes a table takes."""

    def compact(self, table: str) -> None:  # noqa: B027 (most stores have nothing to do)
        """Do what a table needs after many small writes; called every hour, and before a new index
        is searched. Queries go on meanwhile."""
