"""A vector store of each kind, with one empty table."""

from collections.abc import Iterator

import pytest

from neural.retrieval.stores.base import VectorStore
from tests.contract.rows import SHAPE, Table
from tests.contract.vector_stores import STORES


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, db: None) -> Iterator[VectorStore]:
    """An empty store."""
    made = STORES[request.param]()
    yield made
    for name in made.tables():
        made.drop(name)


@pytest.fixture
def table(store: VectorStore) -> Table:
    """An empty table of it."""
    store.create("dishes", SHAPE)
    return Table(store, "dishes")
