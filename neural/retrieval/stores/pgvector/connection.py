"""Access to PostgreSQL through Django's own connection, values in its binary format, and its errors
as those of a store.

Sending vectors as text would cost more than all the rest of an upsert. The formats are those of
``vector_recv`` and ``sparsevec_recv`` of pgvector 0.8 and of ``array_recv`` of PostgreSQL."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import numpy as np
from django.db import DatabaseError, DataError, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import Cursor
from psycopg.adapt import Dumper
from psycopg.pq import Format

from neural.errors import PermanentError
from neural.ledger.dialects import PostgreSQL, despite_contention, ledger_connection, ledger_dialect
from neural.retrieval.stores.base import StoreUnavailable, TableMissing, ValueRefused, Vector

# Values in binary format


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


# The connection


_UNDEFINED_TABLE = "42P01"
_INSTALL = (
    "apt-get install postgresql-17-pgvector (of the server's version) on the database's machine, "
    "then CREATE EXTENSION vector as a superuser in the database"
)
_EXTENSION_STATES = {
    "0A000": f"PostgreSQL has no extension vector: {_INSTALL}",
    "58P01": f"PostgreSQL has no extension vector: {_INSTALL}",
    "42501": "the database's user may not create the extension vector or a table: CREATE EXTENSION "
    "vector as a superuser in the database, and GRANT CREATE ON SCHEMA public",
    "42704": "the database has no type vector: CREATE EXTENSION vector as a superuser",
}

Answer = TypeVar("Answer")


class PgVectorUnusable(PermanentError):
    """The database cannot keep vectors; the message says what is missing and who can install it."""


def database() -> BaseDatabaseWrapper:
    """The connection that Neural's models use. Raises :class:`PgVectorUnusable` if it is not
    PostgreSQL."""
    if not isinstance(ledger_dialect(), PostgreSQL):
        raise PgVectorUnusable(
            "the pgvector store needs PostgreSQL as the database: set DATABASE_URL, "
            "or choose the LanceDB store"
        )
    return ledger_connection()


def cursor_on(connection: BaseDatabaseWrapper) -> CursorWrapper:
    """A cursor whose values the server binds. Django's own cursor writes values into the statement,
    which is impossible for binary ones."""
    connection.ensure_connection()
    cursor = Cursor(connection.connection)
    cursor.adapters.register_dumper(Binary, BinaryDumper)
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    return wrap(cursor)  # type: ignore[arg-type]  # what the stubs know


def transact(table: str, work: Callable[[CursorWrapper], Answer]) -> Answer:
    """Call ``work`` in a transaction, and repeat it if the database rolled it back because of
    another.

    In a transaction of the caller it runs in a savepoint, and a failure rolls back to that.
    """
    connection = database()

    def once() -> Answer:
        with transaction.atomic(using=connection.alias), cursor_on(connection) as cursor:
            return work(cursor)

    with named_errors(table):
        return despite_contention(once)


@contextmanager
def named_errors(table: str) -> Iterator[None]:
    """Raise the database's errors as those of a vector store."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        _let_go_of_what_broke()
        raise StoreUnavailable(f"PostgreSQL does not answer: {_one_line(error)}") from error
    except (DataError, UnicodeEncodeError) as error:
        raise ValueRefused(
            f"PostgreSQL cannot keep this in {table!r}: {_one_line(error)}"
        ) from error
    except DatabaseError as error:
        state = getattr(error.__cause__, "sqlstate", None)
        if state == _UNDEFINED_TABLE:
            raise TableMissing(f"the vector store has no table {table!r}") from error
        if state in _EXTENSION_STATES:
            raise PgVectorUnusable(f"{_EXTENSION_STATES[state]} ({_one_line(error)})") from error
        raise


def _let_go_of_what_broke() -> None:
    """Close a broken connection, unless a transaction is open, so that the next call gets a new
    one."""
    connection = ledger_connection()
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
