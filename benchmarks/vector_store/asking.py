"""Asks questions of a table with a given number of orders; reports speed and accuracy.

``python -m benchmarks.vector_store.asking STORE FOLDER ROWS QUESTIONS MORE``
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.vector_store import corpus
from benchmarks.vector_store.building import STORES, fill, peak_megabytes, table_of
from benchmarks.vector_store.corpus import Vectors
from neural.retrieval.stores.base import Match, VectorStore, Within

TOP = 10
COMPARED = 40
"""As many as a search compares (``neural.retrieval.query.searching.NEAREST``)."""


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


def milliseconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """A call's duration in milliseconds, and its result."""
    began = time.perf_counter()
    answer = call()
    return (time.perf_counter() - began) * 1000, answer


def told(times: Iterable[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    median, high = np.percentile(list(times), [50, 95])
    return {"p50_ms": round(float(median), 2), "p95_ms": round(float(high), 2)}


def overhead(ours: Sequence[float], raw: Sequence[float]) -> float:
    """What our code adds to the library's median, as a share of it."""
    return round(float(np.median(ours) / np.median(raw)) - 1, 3)


STORE = corpus.store_of(7)


@dataclass(frozen=True)
class Asked:
    """A table, the library beneath it, and the the vectors of questions for both."""

    store: VectorStore
    table: str
    raw: Any
    vectors: corpus.Vectors

    def all(self, store: str | None) -> dict[str, Any]:
        """Times of queries, ours and the library's in turn."""
        within = Within(stores=None if store is None else frozenset([store]))
        self.times(within)  # a warm-up, so that nothing is read for the first time
        return {"vectors": self._vectors(within, store)}

    def times(self, within: Within) -> list[float]:
        """Milliseconds of each question."""
        return [milliseconds(lambda v=v: self.nearest(v, within))[0] for v in self.vectors]

    def nearest(self, vector: corpus.Vectors, within: Within) -> list[Match]:
        return self.store.nearest(
            self.table, column="whole", vector=vector, within=within, limit=COMPARED
        )

    def _vectors(self, within: Within, store: str | None) -> dict[str, Any]:
        return _compared(
            (
                lambda v=vector: self.nearest(v, within),
                lambda v=vector: self.raw.nearest(v, store, COMPARED),
            )
            for vector in self.vectors
        )


def ask(kind: str, folder: Path, count: int, questions: int, more: int) -> dict[str, Any]:
    """Figures of the table as it was built, and then with ``more`` rows that no index covers."""
    base = np.load(folder / "orders.npy")
    asked = _asked(kind, folder, count, questions)
    figures: dict[str, Any] = {
        "everywhere": asked.all(None),
        "in_one_store": asked.all(STORE),
        "peak_megabytes": peak_megabytes(),  # before the exact comparison takes memory of its own
    }
    for name, store in (("everywhere", None), ("in_one_store", STORE)):
        figures[name]["recall_at_10"] = _recall(asked, base, count, store)
    return figures | {"unindexed": _unindexed(asked, base, count, more)}


def _asked(kind: str, folder: Path, count: int, questions: int) -> Asked:
    measured, location = STORES[kind](), str(folder / kind)
    return Asked(
        store=measured.ours(location),
        table=table_of(count),
        raw=measured.raw(location, table_of(count)),
        vectors=np.load(folder / "questions.npy")[:questions],
    )


def _compared(pairs: Any) -> dict[str, Any]:
    """Time both calls in turn; which is first alternates from question to question."""
    times: tuple[list[float], list[float]] = ([], [])
    for number, pair in enumerate(pairs):
        for way in (0, 1) if number % 2 else (1, 0):
            if pair[way] is not None:
                times[way].append(milliseconds(pair[way])[0])
    if not times[1]:
        return told(times[0])
    return told(times[0]) | {"library": told(times[1]), "overhead": overhead(*times)}


def _recall(asked: Asked, base: corpus.Vectors, count: int, store: str | None) -> float:
    within = Within(stores=None if store is None else frozenset([store]))
    right = nearest(asked.vectors, base, count, store=store)
    found = [
        {int(match.key.rpartition("-")[2]) for match in asked.nearest(vector, within)[:TOP]}
        for vector in asked.vectors
    ]
    return round(
        sum(len(r & f) for r, f in zip(right, found, strict=True)) / sum(map(len, right)), 4
    )


def _unindexed(asked: Asked, base: corpus.Vectors, count: int, more: int) -> dict[str, Any]:
    """What so many more rows cost a search before the table is compacted, how long compacting
    takes, and what a search costs afterwards."""
    seconds = fill(asked.store, asked.table, base, count, count + more)
    before = asked.times(Within(stores=None))
    began = time.perf_counter()
    asked.store.compact(asked.table)
    compacted = time.perf_counter() - began
    return {
        "rows": more,
        "rows_per_second": round(more / seconds),
        "vectors": told(before),
        "compacted_seconds": round(compacted, 1),
        "vectors_then": told(asked.times(Within(stores=None))),
    }


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))))
