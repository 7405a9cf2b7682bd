"""Search for tests of its flow: a store in memory and an embedder of a few numbers."""

import threading
from collections.abc import Mapping
from contextlib import contextmanager

import numpy as np

from neural.retrieval.collections.documents import Document, RecordRefused, key_of
from neural.retrieval.collections.registry import COLLECTIONS, SearchCollection, register_collection
from neural.retrieval.embedders.base import Embedder
from neural.retrieval.models import OutboxEntry, SearchIndex, SearchRow
from neural.retrieval.stores.base import Match, TableMissing, VectorStore
from tests.registries import forget

STORE = "tests.unit.retrieval.searching.MemoryStore"
EMBEDDER = "tests.unit.retrieval.searching.TinyEmbedder"
SETTINGS = {"search": True, "vector_store": STORE, "embedder": EMBEDDER}


class TinyEmbedder(Embedder):
    """What letters a text has. ``model`` makes it another one."""

    calls: list[list[str]] = []
    fails: list[Exception] = []

    def __init__(self, model: str = "tiny") -> None:
        self.name, self.dimensions = model, 16

    def embed(self, texts):
        if self.fails:
            raise self.fails.pop()
        self.calls.append(list(texts))
        return np.array([self._vector(text) for text in texts], dtype=np.float32)

    def _vector(self, text):
        counts = np.zeros(self.dimensions, dtype=np.float32)
        for letter in text:
            counts[ord(letter) % self.dimensions] += 1
        length = np.linalg.norm(counts)
        return counts / length if length else counts


class MemoryStore(VectorStore):
    """Tables of dictionaries, forgotten by :meth:`forget`. What is put into ``fails`` is raised,
    the last first, by the writes that come next; ``before_write`` is called before each."""

    kept: dict[str, dict] = {}
    commits: list[tuple[str, int]] = []
    compacted: list[str] = []
    fails: list[Exception] = []
    before_write = None
    _lock = threading.RLock()

    def __init__(self, location: str = "", options: Mapping[str, str] | None = None) -> None:
        self.location = location

    @classmethod
    def forget(cls):
        for each in (cls.kept, cls.commits, cls.compacted, cls.fails):
            each.clear()
        cls.before_write = None

    def _table(self, table):
        if table not in self.kept:
            raise TableMissing(f"there is no table {table}")
        return self.kept[table]

    def _write(self):
        if self.fails:
            raise self.fails.pop()
        if self.before_write:
            type(self).before_write()

    def create(self, table, shape):
        self.kept.setdefault(table, {})

    def drop(self, table):
        self.kept.pop(table, None)

    def tables(self):
        return sorted(self.kept)

    def upsert(self, table, rows):
        rows_there = self._table(table)
        self._write()
        with self._lock:
            for row in rows:
                rows_there[row.key] = row
            self.commits.append((table, len(rows)))

    def delete(self, table, keys):
        rows_there = self._table(table)
        self._write()
        for key in keys:
            rows_there.pop(key, None)

    def nearest(self, table, *, column, vector, within, limit):
        rows = (row for row in self._table(table).values() if column in row.vectors)
        seen = (row for row in rows if within.stores is None or row.store in within.stores)
        found = [Match(row.key, float(row.vectors[column] @ vector)) for row in seen]
        return sorted(found, key=lambda match: -match.score)[:limit]

    def vectors(self, table, key):
        row = self._table(table).get(key)
        return row.vectors if row else {}

    def compact(self, table):
        self._table(table)
        self.compacted.append(table)

    def size(self, table):
        return len(self._table(table)) * 100


class Shelf:
    """A source whose records are in a dictionary, by key."""

    def __init__(self) -> None:
        self.records: dict[str, dict] = {}
        self.on_load = None

    def put(self, id, store="S1", **record):  # noqa: A002 (the field's own name)
        key = key_of(store=store, id=id)
        self.records[key] = {"id": id, "store_id": store, **record}
        return key

    def load(self, keys):
        if self.on_load:
            self.on_load()
        return {key: dict(self.records[key]) for key in keys if key in self.records}

    def pages(self, *, after, size):
        while keys := [key for key in sorted(self.records) if key > after][:size]:
            yield keys
            after = keys[-1]

    def count(self):
        return len(self.records)


def document(record):
    """A record with a title; 'bad' is refused."""
    if record.get("title") == "bad":
        raise RecordRefused(f"guests: record {record['id']!r} is bad")
    return Document(id=record["id"], store=record.get("store_id", ""), title=record["title"])


def forget_collection(name):
    """As if nobody had registered it."""
    forget(COLLECTIONS, name)


@contextmanager
def collection(name="guests", *, source=None, vectors=("whole",)):
    """A collection that is registered for the length of a test; its records are on a shelf."""
    shelf = Shelf() if source is None else source
    try:
        register_collection(
            SearchCollection(
                name=name,
                label=name,
                document=document,
                source=shelf or None,
                vectors=vectors,
            )
        )
        yield shelf
    finally:
        forget(COLLECTIONS, name)


def to_outbox(*keys, **options):
    """Guests that have changed."""
    return OutboxEntry.objects.append("guests", keys, **options)


def active():
    """The index in which guests are searched."""
    return SearchIndex.objects.active().get(collection="guests")


def titles(index):
    """What an index has, by key."""
    return dict(SearchRow.objects.filter(index=index).values_list("key", "title"))
