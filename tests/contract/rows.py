"""Rows to write, and questions about them in few words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from neural.retrieval.stores.base import Row, Shape, Vector, VectorStore, Within

ANYWHERE = Within(stores=None)
DIMENSIONS = 16
SHAPE = Shape(vectors=("lead", "whole"), dimensions=DIMENSIONS)


def pointing(*axes: float) -> Vector:
    """A vector of unit length with these first coordinates, before scaling."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[: len(axes)] = axes
    return vector / np.linalg.norm(vector)


def row(key: str, **vectors: Vector) -> Row:
    """A row of the store that its key names."""
    return Row(key=key, store=key.partition("/")[0], vectors=vectors)


class Table:
    """A table of a store, asked in few words."""

    def __init__(self, store: VectorStore, name: str) -> None:
        self.store, self.name = store, name

    def upsert(self, *rows: Row) -> None:
        self.store.upsert(self.name, rows)

    def delete(self, *keys: str) -> None:
        self.store.delete(self.name, keys)

    def vectors(self, key: str) -> Mapping[str, Vector]:
        return self.store.vectors(self.name, key)

    def near(self, vector: Vector, within: Within = ANYWHERE, **asked: Any) -> list[str]:
        """Keys by ``lead``, nearest first."""
        asked = {"column": "lead", "limit": 10, **asked}
        found = self.store.nearest(self.name, vector=vector, within=within, **asked)
        return [match.key for match in found]
