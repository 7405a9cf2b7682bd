"""The vector store that the settings choose."""

import inspect
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from neural.errors import PermanentError
from neural.ledger.dialects import PostgreSQL, ledger_dialect
from neural.retrieval.conf import conf
from neural.retrieval.stores.base import VectorStore

LANCEDB, PGVECTOR = "lancedb", "pgvector"


class StoreRefused(PermanentError):
    """The settings name no vector store that could be opened."""


@lru_cache(maxsize=1)
def vector_store() -> VectorStore:
    """The one of this process. It opens nothing before its first call: not to be made such in
    a process that forks."""
    return make_store(
        conf().vector_store,
        location=conf().vector_store_location,
        options=conf().vector_store_options,
    )


def make_store(kind: str, *, location: str, options: Mapping[str, str]) -> VectorStore:
    """``lancedb``, ``pgvector``, or the dotted path of a ``VectorStore`` of your own, which is
    called with ``location`` and ``options``.

    What is wrong with them is a :class:`StoreRefused` that names what is known.
    """
    check_store(kind, location=location)
    if kind == LANCEDB:
        from neural.retrieval.stores.lance.store import LanceStore  # slow to import

        return LanceStore(location, storage_options=options)
    if kind == PGVECTOR:
        from neural.retrieval.stores.pgvector.store import (
            PgVectorStore,  # needs a driver of PostgreSQL
        )

        return PgVectorStore()
    return _class_of(kind)(location=location, options=options)  # type: ignore[call-arg]


def check_store(kind: str, *, location: str) -> None:
    """Raise :class:`StoreRefused` for what :func:`make_store` could not make; opens nothing."""
    if kind == LANCEDB and find_spec("lancedb") is None:
        raise StoreRefused(
            "lancedb is not installed: install zhilian-neural[search], choose "
            "another NEURAL['vector_store'], or switch NEURAL['search'] off"
        )
    if kind == LANCEDB and not location:
        raise StoreRefused(
            "NEURAL['vector_store_location'] is not set: name a directory, or an s3:// address "
            "that all workers reach"
        )
    if kind == PGVECTOR and not isinstance(ledger_dialect(), PostgreSQL):
        raise StoreRefused(
            "NEURAL['vector_store'] is pgvector, and the database is not PostgreSQL: use lancedb"
        )
    if kind not in (LANCEDB, PGVECTOR):
        _class_of(kind)


def _class_of(kind: str) -> type[VectorStore]:
    known = f"NEURAL['vector_store'] is {LANCEDB}, {PGVECTOR}, or the dotted path of a VectorStore"
    try:
        found = import_string(kind)
    except ImportError as error:
        raise StoreRefused(f"no vector store {kind!r} ({error}): {known}") from error
    if not (inspect.isclass(found) and issubclass(found, VectorStore)):
        raise StoreRefused(f"{kind!r} is no subclass of VectorStore: {known}")
    return found


def _forget(*, setting: str, **_: object) -> None:
    if setting == "NEURAL":
        vector_store.cache_clear()


setting_changed.connect(_forget)
