"""Rows to write, and questions about them in few words."""

from typing import Any

import numpy as np

from neural.retrieval.stores.base import Row, Shape, TableSize, Vector, VectorStore, Within

ANYWHERE = Within(stores=None)
DIMENSIONS = 16
SHAPE = Shape(vectors=("lead", "whole"), dimensions=DIMENSIONS)


def row(key: str, **fields: Any) -> Row:
    """A row of the store that its key names, as few of its fields given as a test is about.

    ``lead`` and ``whole`` are vectors."""
    vectors = {name: fields.pop(name) for name in ("lead", "whole") if name in fields}
    return Row(key=key, store=key.partition("/")[0], vectors=vectors, **{"version": 1, **fields})


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

    def compact(self) -> TableSize:
        return self.store.compact(self.name)
