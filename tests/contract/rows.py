"""Rows to write, and questions about them in few words."""

import datetime as dt
from collections.abc import Collection
from typing import Any

import numpy as np

from neural.retrieval.stores.base import Row, Shape, TableSize, Vector, VectorStore, Within

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ANYWHERE = Within.every_store()
DIMENSIONS = 16
SHAPE = Shape(tokens=("words", "names"), vectors=("lead", "whole"), dimensions=DIMENSIONS)


def row(key: str, **fields: Any) -> Row:
    """A row of the store that its key names, as few of its fields given as a test is about.

    ``words`` and ``names_tokens`` are token columns, ``lead`` and ``whole`` vectors."""
    tokens = {"words": fields.pop("words", ()), "names": fields.pop("names_tokens", ())}
    vectors = {name: fields.pop(name) for name in ("lead", "whole") if name in fields}
    given = {"kind": "soup", "at": NOON, "version": 1, "title": key, **fields}
    return Row(key=key, store=key.partition("/")[0], tokens=tokens, vectors=vectors, **given)


def pointing(*axes: float) -> Vector:
    """A vector of unit length with these first coordinates, before scaling."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[: len(axes)] = axes
    return vector / np.linalg.norm(vector)


class Table:
    """A table of a store, asked in few words."""

    def __init__(self, store: VectorStore, name: str) -> None:
        self.store, self.name = store, name

    def upsert(self, *rows: Row) -> None:
        self.store.upsert(self.name, rows)

    def delete(self, *keys: str) -> None:
        self.store.delete(self.name, keys)

    def count(self, within: Within = ANYWHERE) -> int:
        return self.store.count(self.name, within=within)

    def row(self, key: str, within: Within = ANYWHERE) -> Row:
        return self.store.rows(self.name, [key], within=within)[key]

    def keys(self, *keys: str, within: Within = ANYWHERE) -> set[str]:
        return set(self.store.rows(self.name, keys, within=within))

    def near(self, vector: Vector, within: Within = ANYWHERE, **asked: Any) -> list[str]:
        """Keys by ``lead``, nearest first."""
        asked = {"column": "lead", "limit": 10, **asked}
        found = self.store.nearest(self.name, vector=vector, within=within, **asked)
        return [match.key for match in found]

    def with_any(
        self, tokens: Collection[str], within: Within = ANYWHERE, **asked: Any
    ) -> list[str]:
        """Keys by ``words``, best first."""
        asked = {"column": "words", "limit": 10, **asked}
        found = self.store.matching(self.name, tokens=tokens, within=within, **asked)
        return [match.key for match in found]

    def compact(self) -> TableSize:
        return self.store.compact(self.name)
