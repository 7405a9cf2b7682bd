"""The vector stores that can be measured, each with the library beneath it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django

    django.setup()
    from benchmarks.vector_store.raw_pgvector import RawPgVector
    from neural.retrieval.stores.pgvector.store import PgVectorStore

    return Measured(lambda location: PgVectorStore(), RawPgVector)


STORES: dict[str, Callable[[], Measured]] = {"lance": _lance, "pgvector": _pgvector}
