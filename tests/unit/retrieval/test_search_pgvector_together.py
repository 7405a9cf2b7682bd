"""The pgvector store outside of a transaction: writers at once, lost connections, and
compaction."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from neural.retrieval.stores.base import StoreUnavailable, VectorStore
from neural.retrieval.stores.pgvector import store as pgvector_store
from neural.retrieval.stores.pgvector.connection import cursor_on, named_errors
from tests.contract.rows import ANYWHERE, SHAPE, Table, pointing, row
from tests.contract.vector_stores import STORES

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="DATABASE_URL is no PostgreSQL"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    store: VectorStore = STORES["pgvector"](request)
    store.create("dishes", SHAPE)
    yield Table(store, "dishes")
    for name in store.tables():
        store.drop(name)


def _at_once(work: Callable[[int], None], *, threads: int) -> None:
    """Call it in so many threads, each with a connection of its own, and raise what they raise."""

    def on_own_connection(number: int) -> None:
        try:
            work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(on_own_connection, range(threads)))


def test_writers_of_the_same_rows_all_get_through_and_the_newest_version_stays(
    table: Table,
) -> None:
    def write(number: int) -> None:
        for turn in range(10):
            keys = random.sample(range(40), 30)
            version = 10 * turn + number
            table.upsert(
                *(row(f"a/{key}", version=version) for key in keys),
                row(f"a/of {number} in {turn}", lead=pointing(1, number)),
                row("a/all", version=version),
            )
            table.delete(f"a/{keys[0]}", f"a/{keys[-1]}")

    _at_once(write, threads=4)

    assert table.row("a/all").version == 93
    assert len(table.near(pointing(1), limit=100)) == 40


def test_a_table_that_several_make_at_once_is_made(table: Table) -> None:
    _at_once(lambda _: table.store.create("orders", SHAPE), threads=4)

    assert table.store.tables() == ["dishes", "orders"]


@pytest.mark.parametrize(
    "use", [lambda table: table.count(), lambda table: _without_a_transaction(table)]
)
def test_after_a_lost_connection_the_next_call_has_a_new_one(
    table: Table, use: Callable[[Table], object]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        process = cursor.fetchone()[0]

    def end_it(_: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 60000)", [process])

    _at_once(end_it, threads=1)

    with pytest.raises(StoreUnavailable, match="PostgreSQL does not answer"):
        use(table)
    assert table.count() == 0


def _without_a_transaction(table: Table) -> None:
    with named_errors(table.name), cursor_on(connection) as cursor:
        cursor.execute("SELECT 1")


def test_an_index_whose_making_was_cut_short_is_made_again(table: Table, monkeypatch) -> None:
    monkeypatch.setattr(pgvector_store, "INDEXED_ROWS", 10)
    table.upsert(*(row(f"a/{n}", lead=pointing(1, n)) for n in range(20)))
    table.compact()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false FROM pg_class WHERE oid = indexrelid"
            " AND relname LIKE 'neural_near_%'"
        )

    table.compact()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), bool_and(indisvalid) FROM pg_index JOIN pg_class"
            " ON oid = indexrelid WHERE relname LIKE 'neural_near_%'"
        )
        assert cursor.fetchone() == (2, True)


def test_compaction_and_writing_at_once_lose_nothing(table: Table, monkeypatch) -> None:
    monkeypatch.setattr(pgvector_store, "INDEXED_ROWS", 10)

    def work(number: int) -> None:
        for turn in range(5):
            if number == 0:
                table.compact()
            else:
                named = range(20 * turn, 20 * turn + 20)
                table.upsert(*(row(f"{number}/{n}", lead=pointing(1, n)) for n in named))

    _at_once(work, threads=3)

    assert table.compact().rows == table.store.count("dishes", within=ANYWHERE) == 200
    assert len(table.near(pointing(1), limit=200)) == 200
    assert len(table.near(pointing(1), limit=300)) == 200


def test_a_table_may_be_compacted_by_several_at_once(table: Table, monkeypatch) -> None:
    monkeypatch.setattr(pgvector_store, "INDEXED_ROWS", 10)
    table.upsert(*(row(f"a/{n}", lead=pointing(1, n)) for n in range(500)))

    _at_once(lambda _: table.compact(), threads=4)

    assert table.compact().unindexed_rows == 0
    assert len(table.near(pointing(1), limit=50)) == 50
