"""Rows and filters as LanceDB reads them. Pure, apart from loading Arrow.

A filter is SQL without bound values, so values are quoted here. A column is named after the field
of a row; token and vector columns are named like ``tokens_words`` and ``vector_whole``.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from neural.errors import PermanentError
from neural.retrieval.stores.base import Row, Shape, ValueRefused, Vector, Within

PLAIN = ("key", "store", "kind", "at", "version", "title", "names", "text")
PRIMARY = {"lance-schema:unenforced-primary-key:position": "1"}
"""Declares the key as primary. If two writers insert one key at the same time, one of them gets a
conflict and retries."""
_TOKENS, _VECTOR = "tokens_", "vector_"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class VectorOfAnotherLength(PermanentError):
    """The vector has another length than those of the table, so they do not compare."""


def sees_nothing(within: Within) -> bool:
    """Whether no row can match."""
    return within.stores == frozenset() or within.kinds == frozenset()


def filter_of(within: Within, *, keys: Collection[str] | None = None) -> str | None:
    """The SQL condition of rows within (and with these keys), or None if every row matches."""
    conditions = [
        *([] if keys is None else [one_of("key", keys)]),
        *([] if within.stores is None else [one_of("store", within.stores)]),
        *([] if within.kinds is None else [one_of("kind", within.kinds)]),
        *([] if within.since is None else [f"at >= {microseconds(within.since)}"]),
        *([] if within.until is None else [f"at < {microseconds(within.until)}"]),
    ]
    return " AND ".join(conditions) or None


def one_of(column: str, values: Collection[str]) -> str:
    """The SQL condition that a column has one of these values (at least one)."""
    return f"{column} IN ({', '.join(quoted(value) for value in sorted(values))})"


def quoted(value: str) -> str:
    """The value as an SQL literal. Only quotes need escaping; they are doubled. Raises
    :class:`ValueRefused`."""
    if "\0" in value:
        raise ValueRefused(f"a NUL character cannot be searched for: {value!r}")
    return "'" + value.replace("'", "''") + "'"


def microseconds(moment: dt.datetime) -> int:
    """A time as it is stored: microseconds since 1970 (UTC), which compare exactly."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def moment(microseconds_since: int) -> dt.datetime:
    """The time of a stored number of microseconds."""
    return _EPOCH + dt.timedelta(microseconds=microseconds_since)


def token_column(name: str) -> str:
    """The column of these tokens."""
    return _TOKENS + name


def vector_column(name: str) -> str:
    """The column of this vector."""
    return _VECTOR + name


def schema_of(shape: Shape) -> Any:
    """The Arrow schema of a table."""
    pa = arrow()
    vector = pa.list_(pa.float32(), shape.dimensions)
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False, metadata=PRIMARY),
            pa.field("store", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("at", pa.int64()),
            pa.field("version", pa.int64(), nullable=False),
            pa.field("title", pa.string()),
            pa.field("names", pa.list_(pa.string())),
            pa.field("text", pa.string()),
            *(pa.field(token_column(name), pa.string()) for name in shape.tokens),
            *(pa.field(vector_column(name), vector) for name in shape.vectors),
        ]
    )


def shape_of(schema: Any) -> Shape:
    """The shape of a table with this schema."""
    vectors = [name for name in schema.names if name.startswith(_VECTOR)]
    return Shape(
        tokens=tuple(
            name.removeprefix(_TOKENS) for name in schema.names if name.startswith(_TOKENS)
        ),
        vectors=tuple(name.removeprefix(_VECTOR) for name in vectors),
        dimensions=schema.field(vectors[0]).type.list_size if vectors else 0,
    )


def fitting(vector: Vector, dimensions: int) -> Vector:
    """The vector, if its length is that of the table. Raises :class:`VectorOfAnotherLength`."""
    if vector.shape != (dimensions,):
        raise VectorOfAnotherLength(
            f"a vector of shape {vector.shape} for a table of {dimensions} dimensions: it was "
            "made with another model; rebuild the index"
        )
    return vector


def table_of(rows: Sequence[Row], schema: Any) -> Any:
    """Rows as an Arrow table of this schema."""
    pa = arrow()
    shape = shape_of(schema)
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in PLAIN}
    columns["at"] = [None if row.at is None else microseconds(row.at) for row in rows]
    for name in shape.tokens:
        columns[token_column(name)] = [" ".join(row.tokens.get(name, ())) for row in rows]
    for name in shape.vectors:
        columns[vector_column(name)] = _vectors(
            [row.vectors.get(name) for row in rows], shape.dimensions
        )
    return pa.table(columns, schema=schema)


def row_of(stored: Mapping[str, Any], vectors: Mapping[str, Vector]) -> Row:
    """A row from its stored values and vectors, without tokens."""
    plain = {name: stored[name] for name in PLAIN}
    plain["at"] = None if stored["at"] is None else moment(stored["at"])
    plain["names"] = tuple(stored["names"] or ())
    return Row(**plain, vectors=vectors)


def rows_of(table: Any, shape: Shape) -> dict[str, Row]:
    """Rows of an Arrow table, by key."""
    vectors = {name: table.column(vector_column(name)) for name in shape.vectors}
    return {
        stored["key"]: row_of(
            stored,
            {
                name: np.asarray(column[index].values, dtype=np.float32)
                for name, column in vectors.items()
                if column[index].is_valid
            },
        )
        for index, stored in enumerate(table.select(PLAIN).to_pylist())
    }


def _vectors(vectors: Sequence[Vector | None], dimensions: int) -> Any:
    """A column of vectors, some of which may be missing.

    A vector of zeros has no direction and is near to nothing, so it is stored as missing.
    """
    pa = arrow()
    flat = np.zeros((len(vectors), dimensions), dtype=np.float32)
    for index, vector in enumerate(vectors):
        if vector is not None:
            flat[index] = fitting(vector, dimensions)
    missing = ~flat.any(axis=1)
    values = pa.array(flat.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(values, dimensions, mask=pa.array(missing))


def arrow() -> Any:
    """Arrow, imported at the first search or indexing because it loads slowly."""
    import pyarrow  # type: ignore[import-untyped]

    return pyarrow
