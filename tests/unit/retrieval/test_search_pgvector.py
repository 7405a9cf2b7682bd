"""What only the pgvector store shows; what every store does is in tests/contract."""

import numpy as np
import pytest
from django.db import connection, transaction

from neural.retrieval.stores.base import (
    Row,
    TableMissing,
    TableRefused,
    ValueRefused,
    VectorStore,
    Within,
)
from neural.retrieval.stores.pgvector import store as pgvector_store
from neural.retrieval.stores.pgvector.connection import PgVectorUnusable
from neural.retrieval.stores.pgvector.store import PgVectorStore, index_name
from tests.contract.rows import ANYWHERE, SHAPE, Table, row
from tests.contract.vector_stores import STORES

needs_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="DATABASE_URL is no PostgreSQL"
)
pytestmark = pytest.mark.django_db


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    store: VectorStore = STORES["pgvector"](request)
    store.create("dishes", SHAPE)
    return Table(store, "dishes")


def _asked(sql: str, *values: object) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()


def _in_groups(count: int) -> list[Row]:
    """Rows of ten stores, whose vectors lie around twenty points: each store has rows at each."""
    dice = np.random.default_rng(3)
    points = dice.standard_normal((20, 16))[np.arange(count) % 20]
    points = points + 0.3 * dice.standard_normal((count, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    return [row(f"{n // 20 % 10}/{n}", lead=point) for n, point in enumerate(points)]


@pytest.mark.skipif(connection.vendor == "postgresql", reason="DATABASE_URL is PostgreSQL")
def test_on_another_database_it_says_which_setting_to_change() -> None:
    with pytest.raises(PgVectorUnusable, match="DATABASE_URL"):
        PgVectorStore().tables()


@needs_postgresql
def test_a_call_that_fails_leaves_the_callers_transaction_usable(table: Table) -> None:
    with transaction.atomic():
        table.upsert(row("a/1"))
        with pytest.raises(TableMissing):
            table.store.upsert("nowhere", [row("a/1")])

        assert table.count() == 1


@needs_postgresql
def test_what_a_callers_transaction_wrote_goes_with_it(table: Table) -> None:
    with transaction.atomic():
        table.upsert(row("a/1"))
        transaction.set_rollback(True)

    assert table.count() == 0


@needs_postgresql
def test_a_user_who_may_not_create_the_extension_is_told_who_may(table: Table) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector CASCADE; DROP TABLE neural_vectors_dishes")
        cursor.execute("CREATE ROLE neural_test_nobody; SET LOCAL ROLE neural_test_nobody")

    with pytest.raises(PgVectorUnusable, match="CREATE EXTENSION vector as a superuser"):
        table.store.create("dishes", SHAPE)


@needs_postgresql
def test_a_server_without_the_extension_is_told_what_to_install(table: Table, monkeypatch) -> None:
    monkeypatch.setattr(pgvector_store, "EXTENSION", "neural_test_not_there")

    with pytest.raises(PgVectorUnusable, match="apt-get install postgresql-17-pgvector"):
        table.store.create("dishes_2", SHAPE)


@needs_postgresql
def test_an_extension_that_is_too_old_is_named(table: Table, monkeypatch) -> None:
    monkeypatch.setattr(pgvector_store, "OLDEST_VERSION", (99, 0))

    with pytest.raises(PgVectorUnusable, match=r"pgvector 0\.\d+\.\d+ is too old"):
        table.store.create("dishes_2", SHAPE)


@needs_postgresql
def test_a_table_of_another_shape_is_not_taken_for_the_one_asked_for(table: Table) -> None:
    other = type(SHAPE)(vectors=SHAPE.vectors, dimensions=8)

    with pytest.raises(TableRefused, match="dishes"):
        table.store.create("dishes", other)


@needs_postgresql
@pytest.mark.parametrize("name", ["", "菜", '"; --', "d" * 41])
def test_a_name_that_is_no_name_is_refused(table: Table, name: str) -> None:
    with pytest.raises(TableRefused, match="cannot be a table's name"):
        table.store.create(name, SHAPE)


@needs_postgresql
def test_the_longest_names_of_any_signs_are_told_apart(table: Table) -> None:
    names = ["Dishes", "dish-es", "dish.es", "d" * 40, "d" * 39 + "e"]

    for version, name in enumerate(names):
        table.store.create(name, SHAPE)
        table.store.upsert(name, [row("a/1", version=version)])

    assert table.store.tables() == sorted([*names, "dishes"])
    for version, name in enumerate(names):
        assert table.store.rows(name, ["a/1"], within=ANYWHERE)["a/1"].version == version


@needs_postgresql
def test_a_key_that_postgresql_cannot_keep_is_refused(table: Table) -> None:
    for key in ("a/\x00", "a/\ud83c"):
        with pytest.raises(ValueRefused, match="dishes"):
            table.upsert(row(key))


@needs_postgresql
def test_a_vector_of_other_dimensions_is_refused(table: Table) -> None:
    with pytest.raises(ValueRefused, match="dimensions"):
        table.upsert(row("a/1", lead=np.ones(3, dtype=np.float32)))


@needs_postgresql
def test_a_large_table_gets_an_index_for_each_vector_when_it_is_compacted(
    table: Table, monkeypatch
) -> None:
    monkeypatch.setattr(pgvector_store, "INDEXED_ROWS", 100)
    table.upsert(*_in_groups(99))
    table.compact()
    indexes = "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%%USING hnsw%%'"
    assert _asked(indexes) == (0,)

    table.upsert(row("0/99"))
    table.compact()

    assert _asked(indexes) == (2,)
    assert _asked("SELECT to_regclass(%s) IS NOT NULL", index_name("dishes", "lead")) == (True,)


@needs_postgresql
@pytest.mark.parametrize("stores", [None, ["3"], ["3", "4", "5"]])
def test_by_the_index_a_filter_still_leaves_as_many_rows_as_asked_for(
    table: Table, monkeypatch, stores: list[str] | None
) -> None:
    monkeypatch.setattr(pgvector_store, "INDEXED_ROWS", 50)
    monkeypatch.setattr(pgvector_store, "FEW_ROWS", 50)
    monkeypatch.setattr(pgvector_store, "EXPLORED", 10)
    rows = _in_groups(2000)
    table.upsert(*rows)
    table.compact()
    within = ANYWHERE if stores is None else Within(stores=frozenset(stores))

    found = table.near(rows[63].vectors["lead"], within, limit=40)

    assert found[0] == "3/63"
    assert len(set(found)) == 40
    assert stores is None or {key[0] for key in found} <= set(stores)
