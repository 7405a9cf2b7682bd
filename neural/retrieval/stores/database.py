"""The vector store in the database: float16 vectors in rows, and in each process that searches a
compact copy of a column, which follows its versions.

A search compares every vector of the copy, eight bits a dimension, and sorts the best of them by
their rows. The rows decide: one that is gone is not found, whatever the copy has. With 43,000
vectors of 512 dimensions a comparison takes 5 ms and the copy 23 MB; for millions, write a
``VectorStore`` of your own.
"""

import os
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from django.db import connections, router, transaction

from neural.ledger.dialects import despite_contention
from neural.retrieval.models.stored_vector import MODULUS, StoredVector, VectorColumn
from neural.retrieval.stores.base import (
    Match,
    Row,
    Shape,
    TableMissing,
    Vector,
    VectorStore,
    Within,
    checked,
    fitting,
    refused_shape,
)

KEPT = np.dtype("<f2")
COMPARED = 2
"""So many times the rows that are asked for are compared by their whole vectors."""
_AT_A_TIME = 1_000
_STEP = 256
"""Rows that are multiplied together. For more, BLAS would wake its threads, which cost far more on
a busy machine than they save."""
_SPARE = 8
"""A copy that grows gets an eighth of its size to spare."""
_UNUSED_SECONDS = 3_600
"""A copy that nobody has asked for so long is forgotten, as that of a replaced index."""


class DatabaseStore(VectorStore):
    """Tables in the database that holds Neural's models.

    It uses Django's connection of the current thread, so a call is part of the caller's
    transaction if there is one.
    """

    def __init__(self) -> None:
        self._copies: dict[int, _Copy] = {}

    def create(self, table: str, shape: Shape) -> None:
        wanted = dict.fromkeys(shape.vectors, shape.dimensions)
        own = VectorColumn.objects.filter(table=checked(table))
        new = [
            VectorColumn(table=table, name=name, dimensions=size) for name, size in wanted.items()
        ]
        if not own.exists():
            VectorColumn.objects.bulk_create(new, ignore_conflicts=True)
        there = dict(own.values_list("name", "dimensions"))
        if there != wanted:
            made = Shape(vectors=tuple(there), dimensions=max(there.values(), default=0))
            raise refused_shape(table, made, shape)

    def drop(self, table: str) -> None:
        columns = VectorColumn.objects.filter(table=table)
        own = StoredVector.objects.filter(column__in=list(columns)).order_by()
        while some := list(own.values_list("pk", flat=True)[:_AT_A_TIME]):
            StoredVector.objects.filter(pk__in=some).delete()
        columns.delete()

    def tables(self) -> list[str]:
        return sorted(set(VectorColumn.objects.values_list("table", flat=True)))

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        newest = {row.key: row for row in rows}

        def write() -> None:
            with transaction.atomic(using=_alias()):
                columns = VectorColumn.objects.filter(table=table).select_for_update()
                for column in _found(table, columns.order_by("pk")):
                    _replace(column, newest)

        despite_contention(write)

    def delete(self, table: str, keys: Collection[str]) -> None:
        self.upsert(table, [Row(key=key, store="") for key in keys])

    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        sql = "SELECT id, dimensions, version, total FROM neural_vectorcolumn"
        [(number, dimensions, *state)] = _found(
            table, _read(f'{sql} WHERE "table" = %s AND name = %s', [table, column])
        )
        asked = fitting(vector, dimensions)
        length = float(np.linalg.norm(asked))
        if not length:
            return []
        with _lock:
            copy = self._copies.setdefault(number, _Copy(number, dimensions))
            if copy.state != state:
                copy.follow(*state)
                self._forget_unused()
            ids = copy.nearest(asked, within.stores, COMPARED * limit)
        rows = [
            each
            for each in _rows(ids, "key, store, vector")
            if within.stores is None or each[1] in within.stores
        ]
        scores = _vectors([each[2] for each in rows], dimensions) @ asked / length
        found = (Match(key, float(score)) for (key, *_), score in zip(rows, scores, strict=True))
        return sorted(found, key=lambda match: (-match.score, match.key))[:limit]

    def vectors(self, table: str, key: str) -> Mapping[str, Vector]:
        columns = _found(table, VectorColumn.objects.filter(table=table))
        kept = StoredVector.objects.filter(column__in=columns, key=key)
        found = kept.values_list("column__name", "column__dimensions", "vector")
        return {name: _vectors([bytes(vector)], size)[0] for name, size, vector in found}

    def size(self, table: str) -> int:
        columns = _found(table, VectorColumn.objects.filter(table=table))
        rows = StoredVector.objects.filter(column__in=columns).count()
        return rows * columns[0].dimensions * KEPT.itemsize

    def _forget_unused(self) -> None:
        oldest = time.monotonic() - _UNUSED_SECONDS
        for number, copy in [*self._copies.items()]:
            if copy.used_at < oldest:
                del self._copies[number]


_lock = threading.Lock()
"""Of all copies of this process."""


def _renew_lock() -> None:
    """In a child: the thread that held the lock was not forked. A copy that it was changing is
    changed on by the next search, as its state is noted last."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


# Writing


def _replace(column: VectorColumn, rows: Mapping[str, Row]) -> None:
    """Write the vectors of these rows, and remove those of rows that have none, in the caller's
    transaction, which holds the column."""
    # A vector of zeros has no direction and is near to nothing.
    given = {key: row.vectors.get(column.name) for key, row in rows.items()}
    kept = {
        key: fitting(each, column.dimensions).astype(KEPT)
        for key, each in given.items()
        if each is not None
    }
    vectors = {key: each.tobytes() for key, each in kept.items() if each.any()}
    own = StoredVector.objects.filter(column=column, key__in=rows)
    replaced = dict(own.values_list("key", "change"))
    gone = replaced.keys() - vectors.keys()
    if not vectors and not gone:
        return
    # By the clock: what is written after a backup was restored has no number of before.
    column.version = max(column.version + 1, time.time_ns() // 1000)
    own.filter(key__in=gone).delete()
    StoredVector.objects.bulk_create(
        (
            StoredVector(
                column=column,
                key=key,
                store=rows[key].store,
                change=column.version,
                vector=vector,
            )
            for key, vector in sorted(vectors.items())
        ),
        update_conflicts=True,
        unique_fields=("column", "key"),
        update_fields=("store", "change", "vector"),
    )
    added = column.version * len(vectors) - sum(replaced.values())
    column.total = (column.total + added) % MODULUS
    column.save(update_fields=["version", "total"])


# Reading


class _Copy:
    """The vectors of a column in this process: of each row its id, its change and its store, and
    the vector in eight bits a dimension. A place with the id 0 is free."""

    def __init__(self, column: int, dimensions: int) -> None:
        self.column, self.state = column, [0, 0]
        self.used_at = time.monotonic()
        self._stores: dict[str, int] = {}
        self._ids, self._changes = np.zeros((2, 0), np.int64)
        self._store, self._scale = np.zeros(0, np.int32), np.zeros(0, np.float32)
        self._codes = np.zeros((0, dimensions), np.int8)

    def follow(self, version: int, total: int) -> None:
        """Become as the column was at this version: read what changed since. If the sum then
        differs, rows were removed, or the database was restored: compare all."""
        if version > self.state[0]:
            newer = " AND change > %s AND change <= %s"
            self._take(self._changed(newer, self.state[0], version))
        if int(self._changes.astype(np.uint64).sum()) % MODULUS != total:
            there = self._changed("")
            self._free(~np.isin(self._ids, list(there)))
            known = dict(zip(self._ids.tolist(), self._changes.tolist(), strict=True))
            self._take({pk: change for pk, change in there.items() if known.get(pk) != change})
        self.state = [version, total]

    def nearest(self, vector: Vector, stores: Collection[str] | None, number: int) -> list[int]:
        """The ids of about this many nearest rows of these stores (None: all)."""
        self.used_at = time.monotonic()
        seen = self._ids > 0
        if stores is not None:
            known = [self._stores[each] for each in stores if each in self._stores]
            seen &= np.isin(self._store, known)
        places = np.flatnonzero(seen)
        scores = np.empty(len(places), np.float32)
        for start in range(0, len(places), _STEP):
            some = places[start : start + _STEP]
            np.dot(self._codes[some].astype(np.float32), vector, out=scores[start : start + _STEP])
        scores *= self._scale[places]
        best = np.argpartition(-scores, number)[:number] if number < len(scores) else slice(None)
        return self._ids[places[best]].tolist()

    def _changed(self, condition: str, *values: int) -> dict[int, int]:
        sql = "SELECT id, change FROM neural_storedvector WHERE column_id = %s"
        return dict(_read(f"{sql}{condition}", [self.column, *values]))

    def _take(self, rows: Collection[int]) -> None:
        """Read the rows with these ids."""
        places, wanted = self._places(rows), list(rows)
        for start in range(0, len(wanted), _AT_A_TIME):
            some = wanted[start : start + _AT_A_TIME]
            read = _rows(some, "id, change, store, vector")
            if not read:
                continue
            ids, changes, stores, vectors = zip(*read, strict=True)
            at = [places[each] for each in ids]
            whole = _vectors(vectors, self._codes.shape[1])
            scale = np.abs(whole).max(axis=1) / np.iinfo(np.int8).max
            self._codes[at] = np.rint(whole / scale[:, np.newaxis])
            self._scale[at] = scale
            self._store[at] = [self._stores.setdefault(each, len(self._stores)) for each in stores]
            self._ids[at], self._changes[at] = ids, changes

    def _places(self, rows: Collection[int]) -> dict[int, int]:
        """For each of these ids its place, or a free one."""
        known = np.flatnonzero(np.isin(self._ids, list(rows)))
        places = dict(zip(self._ids[known].tolist(), known.tolist(), strict=True))
        new = [each for each in rows if each not in places]
        if (missing := len(new) - int(np.count_nonzero(self._ids == 0))) > 0:
            self._grow(missing + len(self._ids) // _SPARE)
        return places | dict(zip(new, np.flatnonzero(self._ids == 0).tolist(), strict=False))

    def _grow(self, places: int) -> None:
        for name in ("_ids", "_changes", "_store", "_scale", "_codes"):
            own = getattr(self, name)
            more = np.zeros((places, *own.shape[1:]), own.dtype)
            setattr(self, name, np.concatenate([own, more]))

    def _free(self, places: Any) -> None:
        self._ids[places] = self._changes[places] = 0


def _vectors(kept: Sequence[bytes], dimensions: int) -> Vector:
    return np.frombuffer(b"".join(kept), KEPT).astype(np.float32).reshape(-1, dimensions)


def _rows(ids: Sequence[int], columns: str) -> list[Any]:
    """These columns of the rows with these ids."""
    if not ids:
        return []
    places = ", ".join(["%s"] * len(ids))
    return _read(f"SELECT {columns} FROM neural_storedvector WHERE id IN ({places})", ids)  # noqa: S608


def _read(sql: str, values: Sequence[Any]) -> list[Any]:
    """A plain statement: to compose it by Django would take a tenth of the time of a search."""
    with connections[_alias()].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def _found(table: str, columns: Iterable[Any]) -> Sequence[Any]:
    """The columns of a table. Raises :class:`TableMissing` if it has none."""
    if found := list(columns):
        return found
    raise TableMissing(f"the database has no table {table!r} of vectors")


def _alias() -> str:
    return router.db_for_write(StoredVector)
