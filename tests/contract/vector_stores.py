"""The vector stores that the contract is held against: one entry a backend."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from neural.vectors.stores.base import VectorStore


def lance(request: pytest.FixtureRequest) -> VectorStore:
    """LanceDB in a directory of the test's own."""
    from neural.vectors.stores.lance import LanceStore

    directory: Path = request.getfixturevalue("tmp_path")
    return LanceStore(str(directory / "search"))


def pgvector(request: pytest.FixtureRequest) -> VectorStore:
    """pgvector in the test database, where that is PostgreSQL."""
    if connection.vendor != "postgresql":
        pytest.skip("DATABASE_URL is no PostgreSQL: pgvector is not tested")
    from neural.vectors.stores.pgvector import PgVectorStore

    request.getfixturevalue("transactional_db")
    return PgVectorStore()


STORES: dict[str, Callable[[pytest.FixtureRequest], VectorStore]] = {
    "lance": lance,
    "pgvector": pgvector,
}
"""By name: makes an empty store for one test."""
