"""The vector stores that the contract is held against: one entry a backend."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from neural.retrieval.stores.base import VectorStore


def database(_request: pytest.FixtureRequest) -> VectorStore:
    """The test database, whichever it is."""
    from neural.retrieval.stores.database import DatabaseStore

    return DatabaseStore()


def lance(request: pytest.FixtureRequest) -> VectorStore:
    """LanceDB in a directory of the test's own."""
    from neural.retrieval.stores.lance.store import LanceStore

    directory: Path = request.getfixturevalue("tmp_path")
    return LanceStore(str(directory / "search"))


def sqlite(request: pytest.FixtureRequest) -> VectorStore:
    """Files of SQLite in a directory of the test's own."""
    from neural.retrieval.stores.sqlite import SqliteStore

    directory: Path = request.getfixturevalue("tmp_path")
    return SqliteStore(str(directory / "search"))


def pgvector(_request: pytest.FixtureRequest) -> VectorStore:
    """pgvector in the test database, where that is PostgreSQL."""
    if not has_pgvector() and "CI" not in os.environ:
        pytest.skip("this PostgreSQL has no pgvector (deploy/README.md): it is not tested")
    from neural.retrieval.stores.pgvector.store import PgVectorStore

    return PgVectorStore()


def has_pgvector() -> bool:
    """Whether the extension is installed on the database's machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
        return cursor.fetchone() is not None


STORES: dict[str, Callable[[pytest.FixtureRequest], VectorStore]] = {
    "database": database,
    "lance": lance,
    "pgvector": pgvector,
    "sqlite": sqlite,
}
"""By name: makes an empty store for one test."""


_MARKS = {
    "database": [pytest.mark.django_db],
    "pgvector": [
        pytest.mark.skipif(
            connection.vendor != "postgresql",
            reason="DATABASE_URL is no PostgreSQL: pgvector is not tested",
        ),
        # A mark and not a fixture that is asked for later: the test database is made only if a
        # test is known to need it when it is collected. Each test is a transaction that is undone.
        pytest.mark.django_db,
    ],
}


def parameters() -> list[Any]:
    """All of them, as parameters of a fixture."""
    return [pytest.param(name, marks=_MARKS.get(name, [])) for name in sorted(STORES)]
