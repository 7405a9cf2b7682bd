"""The vector store in files of SQLite, one a table, which NumPy searches exactly.

It needs no library of its own. A query reads every vector of the stores that it may see: enough for
tens of thousands of rows on one machine; LanceDB and pgvector are for more.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neural.retrieval.stores.base import (
    FIXED,
    NOTED,
    Match,
    Row,
    Shape,
    StoreUnavailable,
    TableMissing,
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

PATIENCE_SECONDS = 30
SUFFIX = ".vectors"
KEPT = np.float16
"""Half of the precision: half of the bytes to read, and the same rows are near."""
_GIVEN = "IN (SELECT value FROM json_each(?))"


class SqliteStore(VectorStore):
    """Tables in a directory of this machine. Each call opens the file anew, so a fork may happen at
    any time."""

    notes_writes = True

    def __init__(self, location: str, *, options: Mapping[str, str] | None = None) -> None:
        self._directory = Path(location)

    def create(self, table: str, shape: Shape) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"{self._directory} cannot be made: {error}") from error
        columns = ", ".join(f"{_column(name)} BLOB" for name in shape.vectors)
        with self._opened(table, mode="rwc") as file:
            file.execute("PRAGMA journal_mode = WAL")
            with file:
                file.execute("BEGIN IMMEDIATE")
                if _columns(file):
                    if (made := _shape(file)) != shape:
                        raise refused_shape(table, made, shape)
                    return
                file.execute(
                    "CREATE TABLE records (key TEXT PRIMARY KEY, store TEXT NOT NULL,"
                    f" version INTEGER NOT NULL{', ' if columns else ''}{columns})"
                )
                file.execute("CREATE INDEX by_store ON records (store)")
                file.execute(f"PRAGMA user_version = {int(shape.dimensions)}")

    def drop(self, table: str) -> None:
        for beside in ("", "-wal", "-shm"):
            self._path(table).with_suffix(f"{SUFFIX}{beside}").unlink(missing_ok=True)

    def tables(self) -> list[str]:
        return sorted(path.name.removesuffix(SUFFIX) for path in self._directory.glob(f"*{SUFFIX}"))

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        with self._opened(table) as file, file:
            columns = _columns(file)
            dimensions = _shape(file).dimensions
            changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
            file.executemany(
                f"INSERT INTO records VALUES ({', '.join('?' * len(columns))}) ON CONFLICT (key)"
                f" DO UPDATE SET {changes} WHERE excluded.version >= records.version",
                [_values(row, columns[len(FIXED) :], dimensions) for row in newest_of(rows)],
            )

    def delete(self, table: str, keys: Collection[str]) -> None:
        with self._opened(table) as file, file:
            file.execute(f"DELETE FROM records WHERE key {_GIVEN}", [json.dumps([*keys])])

    def count(self, table: str, *, within: Within) -> int:
        with self._opened(table) as file:
            return int(_found(file, "count(*)", within, "key <> ?", NOTED)[0][0])

    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        name = _column(column)
        with self._opened(table) as file:
            asked = fitting(vector, _shape(file).dimensions)
            found = _found(file, f"key, {name}", within, f"{name} IS NOT NULL")
        if not found or not asked.any():
            return []
        keys, vectors = zip(*found, strict=True)
        scores = _vectors(b"".join(vectors)).reshape(len(keys), -1) @ asked
        scores /= np.linalg.norm(asked)
        best = np.argpartition(-scores, min(limit, len(keys)) - 1)[:limit]
        matches = (Match(keys[each], float(scores[each])) for each in best)
        return sorted(matches, key=lambda match: (-match.score, match.key))

    def rows(self, table: str, keys: Sequence[str], *, within: Within) -> dict[str, Row]:
        with self._opened(table) as file:
            names = _shape(file).vectors
            found = _found(file, "*", within, f"key {_GIVEN}", json.dumps([*keys]))
        return {values[0]: row_of(values, names, _vectors) for values in found}

    def compact(self, table: str) -> TableSize:
        with self._opened(table) as file:
            [free], [pages] = (
                file.execute(f"PRAGMA {each}").fetchone()
                for each in ("freelist_count", "page_count")
            )
            if free > pages / 4:
                file.execute("VACUUM")
        return self.size(table)

    def size(self, table: str) -> TableSize:
        rows = self.count(table, within=Within(stores=None))
        return TableSize(rows=rows, unindexed_rows=0, bytes=self._path(table).stat().st_size)

    def _path(self, table: str) -> Path:
        return self._directory / f"{checked(table)}{SUFFIX}"

    @contextmanager
    def _opened(self, table: str, *, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        path = self._path(table)
        missing = TableMissing(f"no table {table!r} in {self._directory}")
        if mode == "rw" and not path.exists():
            raise missing
        try:
            address = f"{path.absolute().as_uri()}?mode={mode}"
            with closing(sqlite3.connect(address, timeout=PATIENCE_SECONDS, uri=True)) as file:
                if mode == "rw" and not _columns(file):
                    raise missing  # its maker was killed, or is not ready
                yield file
        except UnicodeEncodeError as error:
            raise ValueRefused(f"SQLite cannot keep this in {table!r}: {error}") from error
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path} cannot be read or written: {error}") from error


def _column(name: str) -> str:
    return f'"vector_{name}"'


def _columns(file: sqlite3.Connection) -> list[str]:
    return [f'"{each[1]}"' for each in file.execute("PRAGMA table_info(records)")]


def _shape(file: sqlite3.Connection) -> Shape:
    names = [name.strip('"').removeprefix("vector_") for name in _columns(file)[len(FIXED) :]]
    [dimensions] = file.execute("PRAGMA user_version").fetchone()
    return Shape(vectors=tuple(names), dimensions=dimensions)


def _found(
    file: sqlite3.Connection, columns: str, within: Within, condition: str, *values: Any
) -> list[Any]:
    """These columns of the records within that meet the condition."""
    if within.stores is not None:
        condition = f"{condition} AND store {_GIVEN}"
        values = (*values, json.dumps(sorted(within.stores)))
    return file.execute(f"SELECT {columns} FROM records WHERE {condition}", values).fetchall()


def _values(row: Row, columns: Sequence[str], dimensions: int) -> list[Any]:
    """A vector of zeros has no direction and is near to nothing, so it is stored as missing."""
    vectors = {_column(name): fitting(each, dimensions) for name, each in row.vectors.items()}
    kept = {name: each.astype(KEPT).tobytes() for name, each in vectors.items() if each.any()}
    return [row.key, row.store, row.version, *map(kept.get, columns)]


def _vectors(kept: bytes) -> Vector:
    return np.frombuffer(kept, KEPT).astype(np.float32)
