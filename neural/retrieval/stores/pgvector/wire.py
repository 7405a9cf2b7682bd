"""Values in PostgreSQL's binary format. Pure.

Sending vectors as text would cost more than all the rest of an upsert. The formats are those of
``vector_recv`` and ``sparsevec_recv`` of pgvector 0.8 and of ``array_recv`` of PostgreSQL.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

import numpy as np
from psycopg.adapt import Dumper
from psycopg.pq import Format

from neural.retrieval.stores.base import Vector

SPARSE_DIMENSIONS = 1_000_000_000
"""The most dimensions that a sparsevec may have. If two tokens of a row collide, they only share a
weight: whether a row has a token is checked with the whole hash."""
MOST_WEIGHTS = 16_000
"""The most weights of a sparsevec. In a row with more tokens, the rest add nothing to the score,
but all of them find the row."""

_BIGINT = 20  # the type's oid
_ELEMENT = np.dtype([("bytes", ">i4"), ("value", ">i8")])


class Binary(bytes):
    """A bound value in binary format. The server takes its type from its place in the statement."""

    __slots__ = ()


class BinaryDumper(Dumper):
    """Passes :class:`Binary` on unchanged, without an oid, so that the server infers the type."""

    format = Format.BINARY

    def dump(self, obj: Binary) -> bytes:
        return obj


@lru_cache(maxsize=1 << 17)
def hash_of(token: str) -> int:
    """A hash of a token: 63 bits, never negative."""
    digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def hashes_of(tokens: Collection[str]) -> dict[int, int]:
    """How often each token occurs, by its hash."""
    return Counter(map(hash_of, tokens))


def vector(values: Vector) -> Binary:
    """A ``vector``."""
    return Binary(np.array([values.size, 0], ">i2").tobytes() + np.asarray(values, ">f4").tobytes())


def vector_from(sent: bytes) -> Vector:
    """The vector that ``vector_send`` wrote."""
    return np.frombuffer(sent, ">f4", offset=4).astype(np.float32)


def bigints(values: Sequence[int]) -> Binary:
    """A ``bigint[]``."""
    elements = np.empty(len(values), _ELEMENT)
    elements["bytes"], elements["value"] = 8, values
    head = np.array([1, 0, _BIGINT, len(values), 1], ">i4")
    return Binary(head.tobytes() + elements.tobytes())


def weights(by_hash: Mapping[int, float]) -> Binary:
    """A ``sparsevec`` with these weights."""
    every = np.fromiter((each % SPARSE_DIMENSIONS for each in by_hash), np.int32, len(by_hash))
    # The indexes of a sparsevec must ascend without repetitions.
    places, first = (each[:MOST_WEIGHTS] for each in np.unique(every, return_index=True))
    values = np.fromiter(by_hash.values(), np.float32, len(by_hash))[first]
    head = np.array([SPARSE_DIMENSIONS, places.size, 0], ">i4")
    return Binary(head.tobytes() + places.astype(">i4").tobytes() + values.astype(">f4").tobytes())


def text(value: str) -> str:
    """The text without NUL and halves of surrogate pairs, which PostgreSQL cannot store."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()
