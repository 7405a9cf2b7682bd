"""Values as PostgreSQL reads and writes them in binary. Pure.

Vectors as text would cost more than everything else of an upsert. The formats are those of
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
"""As many as a sparsevec may have. Two tokens of one row that fall together only share their
weight: which rows hold a token is asked of the whole hash."""
MOST_WEIGHTS = 16_000
"""Of a sparsevec. Of a row with more tokens some add nothing to its score; it is found by all."""

_BIGINT = 20  # the type's oid
_ELEMENT = np.dtype([("bytes", ">i4"), ("value", ">i8")])


class Binary(bytes):
    """A bound value of the type that its place in the statement has, already in binary."""

    __slots__ = ()


class BinaryDumper(Dumper):
    """Hands :class:`Binary` over as it is. Without an oid, the server takes the place's type."""

    format = Format.BINARY

    def dump(self, obj: Binary) -> bytes:
        return obj


@lru_cache(maxsize=1 << 17)
def hash_of(token: str) -> int:
    """A token as 63 bits: short, of any script and length, and never negative."""
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
    # Its indexes must ascend, each once.
    places, first = (each[:MOST_WEIGHTS] for each in np.unique(every, return_index=True))
    values = np.fromiter(by_hash.values(), np.float32, len(by_hash))[first]
    head = np.array([SPARSE_DIMENSIONS, places.size, 0], ">i4")
    return Binary(head.tobytes() + places.astype(">i4").tobytes() + values.astype(">f4").tobytes())


def text(value: str) -> str:
    """What of a text PostgreSQL can keep: no NUL, no half of a surrogate pair."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()
