"""The vector stores that the contract is held against: one entry a backend."""

from collections.abc import Callable

from neural.retrieval.stores.base import VectorStore
from neural.retrieval.stores.database import DatabaseStore

STORES: dict[str, Callable[[], VectorStore]] = {"database": DatabaseStore}
"""By name: makes an empty store for one test."""
