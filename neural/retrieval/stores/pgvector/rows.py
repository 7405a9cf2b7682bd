"""Rows as the pgvector store writes and reads them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from neural.retrieval.stores.base import Row, Shape
from neural.retrieval.stores.pgvector import wire
from neural.retrieval.stores.pgvector.tables import (
    Filter,
    hashes_column,
    rows_table,
    vector_column,
    weights_column,
)
from neural.retrieval.stores.pgvector.words import repeated

_PLAIN = {
    "key": "text",
    "store": "text",
    "kind": "text",
    "at": "timestamptz",
    "version": "bigint",
    "title": "text",
    "names": "text[]",
    "text": "text",
}


def upsert_statement(table: str, shape: Shape) -> str:
    """The statement that writes one row, unless the existing one has a greater version."""
    types = _types(shape)
    places = ", ".join(f"%s::{each}" for each in types.values())
    changes = ", ".join(f"{name} = excluded.{name}" for name in types)
    return (
        f"INSERT INTO {rows_table(table)} AS kept ({', '.join(types)}) VALUES ({places})"
        f" ON CONFLICT (key) DO UPDATE SET {changes} WHERE excluded.version >= kept.version"
    )


def values_of(row: Row, shape: Shape) -> list[Any]:
    """The values that :func:`upsert_statement` binds."""
    return [
        *(row.key, row.store, row.kind, row.at, row.version),
        wire.text(row.title),
        [wire.text(name) for name in row.names],
        wire.text(row.text),
        *(value for name in shape.tokens for value in _token_values(row.tokens.get(name, ()))),
        *(_vector_value(row, name) for name in shape.vectors),
    ]


def selection(table: str, shape: Shape, only: Filter) -> str:
    """The statement that reads rows. It binds a list of keys, then the values of the filter."""
    vectors = [f"vector_send({vector_column(name)})" for name in shape.vectors]
    return (
        f"SELECT {', '.join([*_PLAIN, *vectors])} FROM {rows_table(table)}"
        f" WHERE key = ANY(%s::text[]) AND {only.sql}"
    )


def row_of(values: Sequence[Any], shape: Shape) -> Row:
    """A row from the values that were read."""
    plain = dict(zip(_PLAIN, values, strict=False))
    sent = zip(shape.vectors, values[len(_PLAIN) :], strict=True)
    at = plain["at"]
    return Row(
        **{
            **plain,
            "at": at and at.astimezone(dt.UTC),
            "names": tuple(plain["names"]),
            "vectors": {name: wire.vector_from(each) for name, each in sent if each is not None},
        }
    )


def _types(shape: Shape) -> dict[str, str]:
    """Types of all columns by their quoted names, in the order of :func:`values_of`."""
    types = dict(_PLAIN)
    for name in shape.tokens:
        types |= {hashes_column(name): "bigint[]", weights_column(name): "sparsevec"}
    return types | {vector_column(name): "vector" for name in shape.vectors}


def _token_values(tokens: Sequence[str]) -> tuple[wire.Binary | None, wire.Binary | None]:
    occurrences = wire.hashes_of(tokens)
    if not occurrences:
        return None, None
    return wire.bigints(list(occurrences)), wire.weights(repeated(occurrences))


def _vector_value(row: Row, name: str) -> wire.Binary | None:
    """A vector of zeros has no direction and is near to nothing, so it is stored as missing."""
    vector = row.vectors.get(name)
    return None if vector is None or not vector.any() else wire.vector(vector)
