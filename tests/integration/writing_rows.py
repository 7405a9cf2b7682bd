"""A process that writes rows into a table of LanceDB: ``python -m tests.integration.writing_rows
LOCATION WRITER ROUNDS``. In every round its keys overlap with those of other writers."""

import random
import sys
from collections.abc import Iterator

from neural.retrieval.stores.base import Row, Shape
from neural.retrieval.stores.lance.store import LanceStore

TABLE, KEYS = "orders", 400
SHAPE = Shape(vectors=("whole",), dimensions=16)


def batches(writer: int, rounds: int) -> Iterator[dict[str, int]]:
    """For each round, the keys that this writer writes, with their versions."""
    dice = random.Random(writer)
    for number in range(rounds):
        keys = dice.sample(range(KEYS), KEYS // 2)
        yield {f"s/{key}": number * 10 + writer for key in keys}


def write(location: str, writer: int, rounds: int) -> None:
    """Write all batches, each in one commit."""
    store = LanceStore(location)
    for batch in batches(writer, rounds):
        store.upsert(TABLE, [row(key, version) for key, version in batch.items()])


def row(key: str, version: int) -> Row:
    """A row without vectors."""
    return Row(key=key, store=key.partition("/")[0], version=version)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
