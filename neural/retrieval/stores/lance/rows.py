"""Rows as LanceDB keeps them, and filters of rows as the SQL that it reads, which binds no values:
they are quoted here. Pure, apart from loading Arrow.

Columns are named after the field of a row; of the token columns and vectors, ``tokens_words`` or
``vector_whole``.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from neural.errors import PermanentError
from neural.retrieval.stores.base import Row, Shape, ValueRefused, Vector, Within

PLAIN = ("key", "store", "kind", "at", "version", "title", "names", "text")
PRIMARY = {"lance-schema:unenforced-primary-key:position": "1"}
"""Two writers that insert one key at once are then told so, and one of them tries again."""
_TOKENS, _VECTOR = "tokens_", "vector_"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class VectorOfAnotherLength(PermanentError):
    """A vector that cannot be compared with those of the table."""


def sees_nothing(within: Within) -> bool:
    """Whether no row can be within."""
    return within.stores == frozenset() or within.kinds == frozenset()


def filter_of(within: Within, *, keys: Collection[str] | None = None) -> str | None:
    """The condition of a row within (and of these keys), or None if every row is."""
    conditions = [
        *([] if keys is None else [one_of("key", keys)]),
        *([] if within.stores is None else [one_of("store", within.stores)]),
        *([] if within.kinds is None else [one_of("kind", within.kinds)]),
        *([] if within.since is None else [f"at >= {microseconds(within.since)}"]),
        *([] if within.until is None else [f"at < {microseconds(within.until)}"]),
    ]
    return " AND ".join(conditions) or None


def one_of(column: str, values: Collection[str]) -> str:
    """The condition that a column has one of these values (at least one)."""
    return f"{column} IN ({', '.join(quoted(value) for value in sorted(values))})"


def quoted(value: str) -> str:
    """A value as a literal: a quote inside is doubled, nothing else has a meaning there."""
    if "\0" in value:
        raise ValueRefused(f"a NUL character cannot be searched for: {value!r}")
    return "'" + value.replace("'", "''") + "'"


def microseconds(moment: dt.datetime) -> int:
    """A time as it is kept: microseconds since 1970 (UTC), which compare exactly."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def moment(microseconds_since: int) -> dt.datetime:
    """The time that was kept."""
    return _EPOCH + dt.timedelta(microseconds=microseconds_since)


def token_column(name: str) -> str:
    """The column of these tokens."""
    return _TOKENS + name


def vector_column(name: str) -> str:
    """The column of this vector."""
    return _VECTOR + name


def schema_of(shape: Shape) -> Any:
    """The columns of a table."""
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
    """The shape that a table was made with."""
    vectors = [name for name in schema.names if name.startswith(_VECTOR)]
    return Shape(
        tokens=tuple(
            name.removeprefix(_TOKENS) for name in schema.names if name.startswith(_TOKENS)
        ),
        vectors=tuple(name.removeprefix(_VECTOR) for name in vectors),
        dimensions=schema.field(vectors[0]).type.list_size if vectors else 0,
    )


def fitting(vector: Vector, dimensions: int) -> Vector:
    """The vector, if it is as long as those of the table."""
    if vector.shape != (dimensions,):
        raise VectorOfAnotherLength(
            f"a vector of shape {vector.shape} for a table of {dimensions} dimensions: it was "
            "made with another model; rebuild the index"
        )
    return vector


def table_of(rows: Sequence[Row], schema: Any) -> Any:
    """Rows as a table of this schema."""
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


def row_of(kept: Mapping[str, Any], vectors: Mapping[str, Vector]) -> Row:
    """A row as it is read, without tokens."""
    plain = {name: kept[name] for name in PLAIN}
    plain["at"] = None if kept["at"] is None else moment(kept["at"])
    plain["names"] = tuple(kept["names"] or ())
    return Row(**plain, vectors=vectors)


def rows_of(table: Any, shape: Shape) -> dict[str, Row]:
    """Rows by key."""
    vectors = {name: table.column(vector_column(name)) for name in shape.vectors}
    return {
        kept["key"]: row_of(
            kept,
            {
                name: np.asarray(column[index].values, dtype=np.float32)
                for name, column in vectors.items()
                if column[index].is_valid
            },
        )
        for index, kept in enumerate(table.select(PLAIN).to_pylist())
    }


def _vectors(vectors: Sequence[Vector | None], dimensions: int) -> Any:
    """A column of vectors, some of which may be missing.

    A vector of zeros has no direction, so nothing is near it: it is kept as missing.
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
    """Arrow, which takes a while to load: not before somebody searches or indexes."""
    import pyarrow  # type: ignore[import-untyped]

    return pyarrow
