"""Finds the nearest rows by comparing a question with every row."""

import numpy as np

from benchmarks.vector_store import corpus
from benchmarks.vector_store.corpus import Vectors

TOP = 10


def nearest(asked: Vectors, base: Vectors, count: int, *, store: str | None) -> list[set[int]]:
    """The numbers of each question's ten nearest orders, in all stores or in one."""
    numbers = np.zeros((len(asked), 0), dtype=np.int64)
    scores = np.zeros((len(asked), 0), dtype=np.float32)
    for start, stop in corpus.chunks(count):
        seen = [n for n in range(start, stop) if store in (None, corpus.store_of(n))]
        new = corpus.vectors(start, stop, base)[np.array(seen, dtype=np.int64) - start]
        scores = np.concatenate([scores, asked @ new.T], axis=1)
        numbers = np.concatenate([numbers, np.tile(seen, (len(asked), 1))], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        scores = np.take_along_axis(scores, best, axis=1)
        numbers = np.take_along_axis(numbers, best, axis=1)
    return [set(map(int, row)) for row in numbers]
