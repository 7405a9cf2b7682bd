"""The vector store in LanceDB: tables in a directory or an ``s3://`` bucket, without a server."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any

from neural.retrieval.stores.base import (
    Match,
    Row,
    Shape,
    TableMissing,
    TableRefused,
    TableSize,
    Vector,
    VectorStore,
    Within,
    newest_of,
)
from neural.retrieval.stores.lance import indexes
from neural.retrieval.stores.lance.connection import (
    Connection,
    after_conflicts,
    checked,
    unavailable,
)
from neural.retrieval.stores.lance.indexes import COMPACTORS, WRITERS, optimize, turn
from neural.retrieval.stores.lance.rows import (
    PLAIN,
    PRIMARY,
    arrow,
    filter_of,
    fitting,
    one_of,
    rows_of,
    schema_of,
    sees_nothing,
    shape_of,
    table_of,
    token_column,
    vector_column,
)

_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


class LanceStore(VectorStore):
    """Tables of LanceDB at a location: a directory, or ``s3://bucket/prefix``."""

    answers_at_once = True
    notes_writes = True

    def __init__(self, location: str, *, options: Mapping[str, str] = _NO_OPTIONS) -> None:
        self._connection = Connection(location, options)

    def create(self, table: str, shape: Shape) -> None:
        database = self._connection.database()
        with unavailable(f"table {table!r} cannot be made in {self._connection.location}"):
            made = _made(database, checked(table), shape)
            after_conflicts(lambda: indexes.make_first(made, shape))

    def drop(self, table: str) -> None:
        database = self._connection.database()
        # The noted number is dropped first: alone it would never be dropped.
        for name in (_beside(checked(table)), table):
            self._connection.close(name)
            with unavailable(f"table {name!r} of {self._connection.location} cannot be dropped"):
                database.drop_table(name, ignore_missing=True)

    def tables(self) -> list[str]:
        return [name for name in self._connection.names() if not _is_beside(name)]

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        with self._connection.table(table) as opened:
            batch = table_of(newest_of(rows), opened.schema)
            if batch.num_rows:
                with self._turn(table, WRITERS) as alone:
                    after_conflicts(lambda: _merge(opened, batch, alone=alone))

    def delete(self, table: str, keys: Collection[str]) -> None:
        with self._connection.table(table) as opened:
            if keys:
                with self._turn(table, WRITERS):
                    after_conflicts(lambda: opened.delete(one_of("key", keys)))

    def count(self, table: str, *, within: Within) -> int:
        with self._connection.table(table) as opened:
            return 0 if sees_nothing(within) else opened.count_rows(filter_of(within))

    def nearest(
        self, table: str, *, column: str, vector: Vector, within: Within, limit: int
    ) -> list[Match]:
        with self._connection.table(table) as opened:
            if sees_nothing(within) or not vector.any():
                return []
            asked = fitting(vector, shape_of(opened.schema).dimensions)
            query = opened.search(asked, vector_column_name=vector_column(column))
            condition = filter_of(within)
            left = None if condition is None else opened.count_rows(condition)
            query = indexes.nearly(query, rows=left)
            found = _answer(query, within, "_distance", limit)
            return _best((key, 1.0 - distance) for key, distance in found)

    def matching(
        self, table: str, *, column: str, tokens: Collection[str], within: Within, limit: int
    ) -> list[Match]:
        with self._connection.table(table) as opened:
            if sees_nothing(within) or not tokens:
                return []
            query = opened.search(_any_of(tokens, column), query_type="fts")
            return _best(_answer(query, within, "_score", limit))

    def rows(self, table: str, keys: Sequence[str], *, within: Within) -> dict[str, Row]:
        with self._connection.table(table) as opened:
            if sees_nothing(within) or not keys:
                return {}
            shape = shape_of(opened.schema)
            columns = [*PLAIN, *map(vector_column, shape.vectors)]
            query = opened.search().where(filter_of(within, keys=set(keys)) or "")
            return rows_of(query.select(columns).limit(len(keys)).to_arrow(), shape)

    def compact(self, table: str) -> TableSize:
        with self._connection.table(table) as opened, self._turn(table, COMPACTORS):
            indexes.compact(opened, shape_of(opened.schema))
            return indexes.size_of(opened)

    def size(self, table: str) -> TableSize:
        with self._connection.table(table) as opened:
            return indexes.size_of(opened)

    def writes_noted(self, table: str) -> int | None:
        try:
            with self._connection.table(_beside(table)) as opened:
                return _number_in(opened)
        except TableMissing:
            return None

    def note_writes(self, table: str, number: int) -> None:
        try:
            self._note_writes(table, number)
        except TableMissing:
            with self._connection.table(table) as opened:
                opened.count_rows()  # raises TableMissing: no number without its table
                _make_number(self._connection.database(), table)
            self._note_writes(table, number)

    def _note_writes(self, table: str, number: int) -> None:
        with self._connection.table(_beside(table)) as opened:
            _note_number(opened, number)

    def _turn(self, table: str, of: str) -> AbstractContextManager[bool]:
        return turn(self._connection.location, table, of=of)


def _made(database: Any, name: str, shape: Shape) -> Any:
    """The table, made if it is missing."""
    try:
        return database.create_table(name, schema=schema_of(shape), exist_ok=True)
    except ValueError as error:
        if "does not match existing" not in str(error):
            raise
        there = shape_of(database.open_table(name).schema)
        raise TableRefused(f"table {name!r} is there with {there}, not {shape}") from error


def _merge(table: Any, rows: Any, *, alone: bool) -> None:
    """Insert new rows and replace those that are not newer, in one commit.

    With the index on keys, this is fast. But then a writer does not notice a new key that another
    process commits at the same time, and the key would be stored twice. Without the index it
    notices, because the key is declared primary (``rows``).
    """
    merge = table.merge_insert("key").use_index(alone).when_not_matched_insert_all()
    merge = merge.when_matched_update_all(where="source.version >= target.version")
    merge.execute(rows, on_bad_vectors="null")  # the library calls missing vectors bad


def _any_of(tokens: Collection[str], column: str) -> Any:
    """A query for rows with any of these tokens. No token is read as an operator."""
    from lancedb import query

    match: Any = query.MatchQuery  # its type requires arguments that have defaults
    return match(" ".join(dict.fromkeys(tokens)), token_column(column))


def _answer(query: Any, within: Within, score: str, limit: int) -> Any:
    """Keys and scores of the rows that a query finds. The filter is applied before the search, not
    to its result."""
    condition = filter_of(within)
    if condition is not None:
        query = query.where(condition, prefilter=True)
    found = query.select(["key", score]).limit(limit).to_arrow()
    return zip(found["key"].to_pylist(), found[score].to_pylist(), strict=True)


def _best(found: Any) -> list[Match]:
    """Matches, best first; equal ones are sorted by key."""
    return sorted((Match(*pair) for pair in found), key=lambda match: (-match.score, match.key))


# The noted number of writes, kept beside each table in a table of one row. A file would be
# simpler. But at ``s3://``, a process that raises the number in a file could overwrite a greater
# one that another process has just noted.


_SUFFIX = ".writes"
_KEY = "writes"
_COMPACTED_EVERY = 64


def _beside(table: str) -> str:
    """The name of the table that keeps the number of this table."""
    return table + _SUFFIX


def _is_beside(name: str) -> bool:
    """Whether this is the name of a table that keeps a number."""
    return name.endswith(_SUFFIX)


def _number_in(table: Any) -> int | None:
    """The noted number; None if there is none."""
    numbers = table.search().select(["number"]).limit(1).to_arrow()["number"].to_pylist()
    return int(numbers[0]) if numbers else None


def _make_number(database: Any, table: str) -> None:
    """Make the table of the number, unless it exists."""
    name = _beside(table)
    after_conflicts(lambda: database.create_table(name, schema=_schema(), exist_ok=True))


def _note_number(table: Any, number: int) -> None:
    """Raise the noted number. On a conflict with another writer, the write is retried."""
    row = arrow().table({"key": [_KEY], "number": [number]}, schema=_schema())
    after_conflicts(lambda: _raise(table, row))
    if number % _COMPACTED_EVERY == 0:
        optimize(table)


def _raise(table: Any, row: Any) -> None:
    merge = table.merge_insert("key").when_not_matched_insert_all()
    merge.when_matched_update_all(where="source.number > target.number").execute(row)


def _schema() -> Any:
    pa = arrow()
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False, metadata=PRIMARY),
            pa.field("number", pa.int64(), nullable=False),
        ]
    )
