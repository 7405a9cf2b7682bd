"""Builds a table with a given number of orders, and reports what that costs.

``python -m benchmarks.vector_store.building STORE FOLDER ROWS``
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import isolated
from benchmarks.vector_store import corpus
from neural.retrieval.stores.base import VectorStore


@dataclass(frozen=True)
class Measured:
    """Creates a store at a location, and the object that queries its library directly."""

    ours: Callable[[str], VectorStore]
    raw: Callable[[str, str], Any]


def _lance() -> Measured:
    from benchmarks.vector_store.raw_lance import RawLance
    from neural.retrieval.stores.lance.store import LanceStore

    return Measured(LanceStore, RawLance)


def _pgvector() -> Measured:
    """The store in the database that DATABASE_URL names; it ignores the location."""
    isolated.set_up(migrates=False)
    from benchmarks.vector_store.raw_pgvector import RawPgVector
    from neural.retrieval.stores.pgvector.store import PgVectorStore

    return Measured(lambda location: PgVectorStore(), RawPgVector)


STORES: dict[str, Callable[[], Measured]] = {"lance": _lance, "pgvector": _pgvector}


COMMIT = 2_000
"""Rows in each commit."""


def build(kind: str, folder: Path, count: int) -> dict[str, Any]:
    """Write, then compact; making the rows is not timed."""
    store, table = STORES[kind]().ours(str(folder / kind)), table_of(count)
    store.drop(table)
    store.create(table, corpus.SHAPE)
    seconds = fill(store, table, np.load(folder / "orders.npy"), 0, count)
    began = time.perf_counter()
    size = store.compact(table)
    compaction = time.perf_counter() - began
    return {
        "written_seconds": round(seconds, 1),
        "rows_per_second": round(count / seconds),
        "compacted_seconds": round(compaction, 1),
        "megabytes": round(size.bytes / 1e6),
        "peak_megabytes": peak_megabytes(),
    }


def table_of(count: int) -> str:
    """The name of the table with this many orders."""
    return f"benchmark_{count}"


def fill(store: VectorStore, table: str, base: corpus.Vectors, start: int, stop: int) -> float:
    """Write the orders from ``start`` up to ``stop``; returns the seconds spent in the store."""
    seconds = 0.0
    for first, last in corpus.chunks(stop):
        if last > start:
            rows = corpus.rows(first, last, base)[max(0, start - first) :]
            began = time.perf_counter()
            for part in range(0, len(rows), COMMIT):
                store.upsert(table, rows[part : part + COMMIT])
            seconds += time.perf_counter() - began
    return seconds


def peak_megabytes() -> int:
    """The most memory that this process has used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    print(json.dumps(build(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
