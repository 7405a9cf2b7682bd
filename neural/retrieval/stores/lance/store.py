"""The vector store in LanceDB: tables in a directory or an ``s3://`` bucket, without a server."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from neural.retrieval.stores.base import (
    FIXED,
    NOTED,
    Match,
    Row,
    Shape,
    TableSize,
    ValueRefused,
    Vector,
    VectorStore,
    Within,
    checked,
    fitting,
    newest_of,
    refused_shape,
    row_of,
)
from neural.retrieval.stores.lance import indexes
from neural.retrieval.stores.lance.connection import Connection, after_conflicts, unavailable

WRITERS, COMPACTORS = "writers.lock", "tenders.lock"
"""Writers on one machine take turns, and so do compactions of a table, so that none does its work
in vain."""


class LanceStore(VectorStore):
    """Tables of LanceDB at a location: a directory, or ``s3://bucket/prefix``."""

    notes_writes = True

    def __init__(self, location: str, *, options: Mapping[str, str] | None = None) -> None:
        self._connection = Connection(location, options or {})

    def create(self, table: str, shape: Shape) -> None:
        database = self._connection.database()
        with unavailable(f"table {table!r} cannot be made in {self._connection.location}"):
            made = _made(database, checked(table), shape)
            after_conflicts(lambda: indexes.make_first(made))

    def drop(self, table: str) -> None:
        database = self._connection.database()
        self._connection.close(checked(table))
        with unavailable(f"table {table!r} of {self._connection.location} cannot be dropped"):
            database.drop_table(table, ignore_missing=True)

    def tables(self) -> list[str]:
        return self._connection.names()

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        with self._connection.table(table) as opened:
            if rows:
                batch = _batch(newest_of(rows), opened.schema)
                with self._connection.turn(table, WRITERS) as alone:
                    after_conflicts(lambda: _merge(opened, batch, alone=alone))

    def delete(self, table: str, keys: Collection[str]) -> None:
        with self._connection.table(table) as opened:
            if keys:
                with self._connection.turn(table, WRITERS):
                    after_conflicts(lambda: opened.delete(_one_of("key", keys)))

    def count(self, table: str, *, within: Within) -> int:
        with self._connection.table(table) as opened:
            if within.stores is None:
                return _records(opened)
            return int(opened.count_rows(_of_stores(within))) if within.stores else 0

    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        with self._connection.table(table) as opened:
            if within.stores == frozenset() or not vector.any():
                return []
            asked = fitting(vector, _shape_of(opened.schema).dimensions)
            query = opened.search(asked, vector_column_name=_column(column))
            left = None
            if (condition := _of_stores(within)) is not None:
                left = opened.count_rows(condition)
                query = query.where(condition, prefilter=True)  # before the search, not after it
            query = indexes.nearly(query, rows=left).select(["key", "_distance"])
            found = query.limit(limit).to_arrow().to_pydict()
            matches = zip(found["key"], found["_distance"], strict=True)
            by_score = (Match(key, 1.0 - distance) for key, distance in matches)
            return sorted(by_score, key=lambda match: (-match.score, match.key))

    def rows(self, table: str, keys: Sequence[str], *, within: Within) -> dict[str, Row]:
        with self._connection.table(table) as opened:
            if within.stores == frozenset() or not keys:
                return {}
            conditions = [_one_of("key", set(keys)), _of_stores(within)]
            query = opened.search().where(" AND ".join(filter(None, conditions)))
            names = _shape_of(opened.schema).vectors
            chosen = query.select([*FIXED, *map(_column, names)]).limit(len(keys))
            read = partial(np.array, dtype=np.float32)
            found = (list(each.values()) for each in chosen.to_arrow().to_pylist())
            return {values[0]: row_of(values, names, read) for values in found}

    def compact(self, table: str) -> TableSize:
        with self._connection.table(table) as opened, self._connection.turn(table, COMPACTORS):
            indexes.compact(opened, [*map(_column, _shape_of(opened.schema).vectors)])
        return self.size(table)

    def size(self, table: str) -> TableSize:
        with self._connection.table(table) as opened:
            behind = [index.num_unindexed_rows or 0 for index in opened.list_indices()]
            size = opened.stats()["total_bytes"]
            return TableSize(
                rows=_records(opened), unindexed_rows=max(behind, default=0), bytes=size
            )


def _records(table: Any) -> int:
    """The number of rows that are records."""
    return int(table.count_rows() - table.count_rows(_one_of("key", [NOTED])))


def _made(database: Any, name: str, shape: Shape) -> Any:
    """The table, made if it is missing."""
    try:
        return database.create_table(name, schema=_schema(shape), exist_ok=True)
    except ValueError as error:
        if "does not match existing" not in str(error):
            raise
        there = _shape_of(database.open_table(name).schema)
        raise refused_shape(name, there, shape) from error


def _merge(table: Any, rows: Any, *, alone: bool) -> None:
    """Insert new rows and replace those that are not newer, in one commit.

    With the index on keys, this is fast. But then a writer does not notice a new key that another
    process commits at the same time, and the key would be stored twice. Without the index it
    notices, because the key is declared primary (``_schema``).
    """
    merge = table.merge_insert("key").use_index(alone).when_not_matched_insert_all()
    merge = merge.when_matched_update_all(where="source.version >= target.version")
    merge.execute(rows, on_bad_vectors="null")  # the library calls missing vectors bad


# Filters: SQL without bound values, so values are quoted here


def _of_stores(within: Within) -> str | None:
    """The condition of rows of these stores (at least one), or None if every row matches."""
    return None if within.stores is None else _one_of("store", within.stores)


def _one_of(column: str, values: Collection[str]) -> str:
    """The condition that a column has one of these values. Only quotes need escaping; they are
    doubled. Raises :class:`ValueRefused`."""
    if any("\0" in value for value in values):
        raise ValueRefused(f"a NUL character cannot be searched for: {sorted(values)!r}")
    quoted = ["'" + value.replace("'", "''") + "'" for value in sorted(values)]
    return f"{column} IN ({', '.join(quoted)})"


# Rows as Arrow, which is imported at the first search or indexing because it loads slowly


def _column(name: str) -> str:
    return f"vector_{name}"


def _schema(shape: Shape) -> Any:
    """The Arrow schema of a table. Its key is declared primary: if two writers insert one key at
    the same time, one of them gets a conflict and retries."""
    import pyarrow as pa  # type: ignore[import-untyped]

    primary = {"lance-schema:unenforced-primary-key:position": "1"}
    vector = pa.list_(pa.float32(), shape.dimensions)
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False, metadata=primary),
            pa.field("store", pa.string(), nullable=False),
            pa.field("version", pa.int64(), nullable=False),
            *(pa.field(_column(name), vector) for name in shape.vectors),
        ]
    )


def _shape_of(schema: Any) -> Shape:
    """The shape of a table with this schema."""
    vectors = [name for name in schema.names if name.startswith(_column(""))]
    return Shape(
        vectors=tuple(name.removeprefix(_column("")) for name in vectors),
        dimensions=schema.field(vectors[0]).type.list_size if vectors else 0,
    )


def _batch(rows: Sequence[Row], schema: Any) -> Any:
    """Rows as an Arrow table of this schema."""
    import pyarrow as pa

    shape = _shape_of(schema)
    plain = {name: [getattr(row, name) for row in rows] for name in FIXED}
    vectors = {
        _column(name): _vectors([row.vectors.get(name) for row in rows], shape.dimensions)
        for name in shape.vectors
    }
    return pa.table(plain | vectors, schema=schema)


def _vectors(vectors: Sequence[Vector | None], dimensions: int) -> Any:
    """A column of vectors, some of which may be missing.

    A vector of zeros has no direction and is near to nothing, so it is stored as missing.
    """
    import pyarrow as pa

    nothing = np.zeros(dimensions, dtype=np.float32)
    given = [nothing if each is None else fitting(each, dimensions) for each in vectors]
    flat = np.stack(given, dtype=np.float32)
    missing = pa.array(~flat.any(axis=1))
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), dimensions, mask=missing)
