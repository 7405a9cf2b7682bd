"""Every dialect, on the database at hand: its words mean there what the interface promises."""

import datetime as dt
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.ledger.dialects import DIALECTS, dialect_of, ledger_dialect, preparing_cursor
from neural.ledger.dialects.base import IDLE, IN_FAILED_TRANSACTION, IN_TRANSACTION, Dialect
from neural.models import Store, WorkerProcess

AT = dt.datetime(2026, 3, 2, 12, 30, 0, 5, tzinfo=dt.UTC)
ODD = ("it's", '"quoted"', "麻婆豆腐", "50 % %s", "a\\b", "")
"""Texts that a statement put together of values would not survive."""


def _parameter(name: str) -> Any:
    absent = pytest.mark.skipif(connection.vendor != name, reason=f"DATABASE_URL is no {name}")
    return pytest.param(name, marks=[absent, pytest.mark.django_db])


@pytest.fixture(params=[_parameter(name) for name in sorted(DIALECTS)])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


def ask(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def worker(name: str = "w", **fields: Any) -> WorkerProcess:
    return WorkerProcess.objects.create(name=name, host="host", process_id=1, **fields)


def test_it_is_the_one_of_the_connection_and_of_the_ledger(dialect: Dialect) -> None:
    assert dialect_of(connection) is ledger_dialect() is dialect


# Times


def test_the_clock_stands_still_within_a_statement(dialect: Dialect) -> None:
    ((one, other),) = ask(f"SELECT {dialect.clock}, {dialect.clock}")

    assert one == other


@pytest.mark.parametrize(("seconds", "is_later"), [(60, True), (-60, False), (0.5, True)])
def test_the_clock_and_so_many_seconds(dialect: Dialect, seconds: float, is_later: bool) -> None:
    compared = f"SELECT {dialect.clock_plus} > {dialect.clock}"

    assert ask(compared, dialect.seconds(seconds)) == [(is_later,)]


@pytest.mark.parametrize("hours", [-11, 0, 8])
def test_a_moment_compares_with_the_clock_whatever_its_zone(dialect: Dialect, hours: int) -> None:
    now = timezone.now().astimezone(dt.timezone(dt.timedelta(hours=hours)))
    minute = dt.timedelta(minutes=1)
    moments = dialect.moment(now - minute), dialect.moment(now + minute)

    assert ask(f"SELECT %s < {dialect.clock}, %s > {dialect.clock}", *moments) == [(True, True)]


def test_a_moment_compares_with_what_django_has_written(dialect: Dialect) -> None:
    worker(started_at=AT)
    earlier, later = (AT + dt.timedelta(microseconds=n) for n in (-1, 1))
    compared = "SELECT started_at > %s, started_at = %s, started_at < %s FROM neural_workerprocess"

    assert ask(compared, *map(dialect.moment, (earlier, AT, later))) == [(True, True, True)]


def test_django_reads_a_bound_moment_to_the_microsecond(dialect: Dialect) -> None:
    row = worker()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE neural_workerprocess SET stopped_at = {dialect.bound_moment}",
            [dialect.moment(AT)],
        )

    row.refresh_from_db()
    assert row.stopped_at == AT


def test_no_moment_is_null(dialect: Dialect) -> None:
    row = worker(stopped_at=AT)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE neural_workerprocess SET stopped_at = {dialect.bound_moment}",
            [dialect.moment(None)],
        )

    row.refresh_from_db()
    assert row.stopped_at is None


def test_microseconds_go_on_within_a_transaction(dialect: Dialect) -> None:
    first = dialect.microseconds(connection)
    time.sleep(0.01)

    assert first < dialect.microseconds(connection)
    assert abs(first / 1e6 - time.time()) < 60


# Lists and rows


@pytest.mark.parametrize("names", [(), ("it's",), ODD])
def test_a_column_is_one_of_a_list(dialect: Dialect, names: tuple[str, ...]) -> None:
    for each in (*ODD, "other"):
        worker(each)
    chosen = f"SELECT name FROM neural_workerprocess WHERE {dialect.is_one_of('name')}"

    assert {name for (name,) in ask(chosen, dialect.bound_list(names))} == set(names)


def test_arrays_are_rows_by_place(dialect: Dialect) -> None:
    columns = {
        "name": "text",
        "number": "bigint",
        "small": "smallint",
        "is_so": "boolean",
        "what": "jsonb",
        "absent": "text",
    }
    rows = [[text, 2**62, n, n == 0, '{"a": [1]}', None] for n, text in enumerate(ODD)]
    asked = f"SELECT {dialect.columns_of_arrays(columns)} FROM {dialect.arrays}"

    found = [list(row) for row in ask(asked, json.dumps(rows))]

    for row in found:
        row[4] = row[4] if isinstance(row[4], str) else json.dumps(row[4])
    assert found == rows


def test_arrays_give_moments_that_are_compared_and_kept(dialect: Dialect) -> None:
    row = worker()
    columns = {"id": "bigint", "at": "timestamptz"}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE neural_workerprocess AS worker SET stopped_at = given.at
            FROM (SELECT {dialect.columns_of_arrays(columns)} FROM {dialect.arrays}) AS given
            WHERE worker.id = given.id AND given.at < {dialect.clock}""",
            [json.dumps([[row.pk, dialect.moment(timezone.now() - dt.timedelta(seconds=1))]])],
        )

    row.refresh_from_db()
    assert row.stopped_at is not None


def test_rows_may_be_inserted_from_arrays_unless_they_are_there(dialect: Dialect) -> None:
    columns = {"code": "text", "time_zone": "text", "country": "text"}
    Store.objects.create(code="S1", time_zone="UTC")
    insert = f"""INSERT INTO neural_store (code, time_zone, country)
        SELECT {dialect.columns_of_arrays(columns)} FROM {dialect.arrays} WHERE true
        ON CONFLICT DO NOTHING RETURNING code"""

    rows = [[code, "Asia/Shanghai", "CN"] for code in ("S1", "it's")]
    assert ask(insert, json.dumps(rows)) == [("it's",)]
    assert Store.objects.get(code="S1").time_zone == "UTC"


def test_objects_are_rows_by_name_and_what_they_lack_is_null(dialect: Dialect) -> None:
    columns = {"name": "text", "number": "bigint", "share": "double precision"}
    rows = [{"number": 7, "name": text, "other": 1} for text in ODD] + [{"share": 0.5}]
    asked = f"SELECT name, number, share FROM {dialect.records(columns, 'given')}"

    assert ask(asked, json.dumps(rows)) == [*((text, 7, None) for text in ODD), (None, None, 0.5)]


def test_a_json_column_takes_text_as_the_json_that_it_is(dialect: Dialect) -> None:
    row = worker(registered={"before": 1})
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE neural_workerprocess SET registered = {dialect.as_json("given.what")}
            FROM {dialect.records({"what": "text"}, "given")}""",
            [json.dumps([{"what": '{"tasks": ["it\'s"], "n": 1.5}'}])],
        )

    row.refresh_from_db()
    assert row.registered == {"tasks": ["it's"], "n": 1.5}
    assert WorkerProcess.objects.filter(registered__n=1.5).exists()


@pytest.mark.parametrize("count", [0, 1, len(ODD)])
def test_bound_rows_are_a_table(dialect: Dialect, count: int) -> None:
    columns = {"name": "text", "day": "date"}
    rows = [(text, dt.date(2026, 3, n + 1)) for n, text in enumerate(ODD[:count])]
    table, parameters = dialect.table(columns, rows)

    found = ask(f"SELECT * FROM {table} AS given", *parameters)

    assert [(name, str(day)) for name, day in found] == [(name, str(day)) for name, day in rows]


def test_several_columns_are_looked_for_in_a_table_at_once(dialect: Dialect) -> None:
    worker("a")
    worker("b")
    columns = {"name": "text", "host": "text"}
    table, parameters = dialect.table(columns, [("a", "host"), ("b", "elsewhere")])
    asked = "SELECT name FROM neural_workerprocess WHERE (name, host) IN"

    assert ask(f"{asked} (SELECT * FROM {table} AS given)", *parameters) == [("a",)]


def test_elements_of_a_json_column_are_joined_to_their_row(dialect: Dialect) -> None:
    worker("a", queues=[{"name": "it's"}, {"name": "other", "n": 2}])
    worker("b", queues=[])
    join = dialect.join_elements("worker.queues", "each")

    found = ask(
        f"""SELECT worker.name, each.value->>'name', each.value->>'n'
        FROM neural_workerprocess AS worker {join} ORDER BY 2"""
    )

    assert [(name, text, n and int(n)) for name, text, n in found] == [
        ("a", "it's", None),
        ("a", "other", 2),
    ]


def test_elements_of_a_json_column_are_rows_of_their_own(dialect: Dialect) -> None:
    row = worker("a", queues=[["x", 1], ["y", 2]])
    columns = dialect.columns_of_arrays({"name": "text", "n": "bigint"})
    asked = f"""SELECT (SELECT COUNT(*) FROM {dialect.elements("worker.queues")}),
        (SELECT MAX(name) FROM (SELECT {columns} FROM {dialect.elements("worker.queues")}) AS one)
        FROM neural_workerprocess AS worker WHERE id = %s"""

    assert ask(asked, row.pk) == [(2, "y")]


# What it says that it can


def works(statement: str) -> bool:
    try:
        with transaction.atomic():
            ask(statement)
    except DatabaseError:
        return False
    return True


CLAIMS: dict[str, str] = {
    "changes_rows_in_with": """WITH gone AS (DELETE FROM neural_store RETURNING code)
        SELECT code FROM gone""",
    "returns_joined_rows": """UPDATE neural_store AS store SET country = 'CN'
        FROM (SELECT 'S1' AS code, 7 AS number) AS given WHERE store.code = given.code
        RETURNING store.code, given.number""",
    "has_lateral": """SELECT twice.value FROM (SELECT 1 AS value) AS one
        CROSS JOIN LATERAL (SELECT one.value * 2 AS value) AS twice""",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_it_can_it_says_and_no_more(dialect: Dialect, claim: str) -> None:
    assert works(CLAIMS[claim]) == getattr(dialect, claim)


def test_what_spares_the_wait_for_the_disk_is_a_column_of_any_statement(dialect: Dialect) -> None:
    spared = dialect.not_waiting_for_the_disk("name = 'a'")
    worker("a")
    worker("b")

    assert len(ask(f"SELECT name, {spared} FROM neural_workerprocess")) == 2


# Transactions


@pytest.mark.django_db(transaction=True)
def test_a_flush_makes_what_was_committed_before_durable(dialect: Dialect) -> None:
    with connection.cursor() as cursor:
        if not dialect.flushes:
            assert dialect.flush(cursor) is None
            return
        with transaction.atomic():
            cursor.execute(f"SELECT {dialect.not_waiting_for_the_disk('TRUE')}")
            Store.objects.create(code="flushed")
        cursor.execute("SELECT pg_current_wal_insert_lsn()")
        (end,) = cursor.fetchone()

        dialect.flush(cursor)

        cursor.execute("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", [end])
        assert cursor.fetchone() == (True,)


@pytest.mark.parametrize("names", [(), ("a", "b", "a"), ODD])
def test_a_transaction_may_lock_a_name_twice(dialect: Dialect, names: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        dialect.lock(cursor, names)
        dialect.lock(cursor, iter(names))


def test_a_row_that_nobody_holds_is_not_passed_over(dialect: Dialect) -> None:
    row = worker("a")
    asked = f"SELECT id FROM neural_workerprocess ORDER BY id LIMIT 1 {dialect.skip_locked}"

    assert ask(asked) == [(row.pk,)]


def test_within_a_block_that_follows_indexes_a_query_answers_as_ever(dialect: Dialect) -> None:
    worker("b")
    worker("a")

    for _ in range(2):
        with dialect.following_indexes(connection):
            assert ask("SELECT name FROM neural_workerprocess ORDER BY name") == [("a",), ("b",)]


@pytest.mark.django_db(transaction=True)
def test_the_driver_says_how_its_transaction_stands(dialect: Dialect) -> None:
    connection.ensure_connection()

    def status() -> int | None:
        return dialect.transaction_status(connection.connection)

    assert status() == IDLE
    with transaction.atomic():
        ask("SELECT 1")
        assert status() == IN_TRANSACTION
        with pytest.raises(DatabaseError):
            ask("SELECT nothing_of_this_name")
        assert status() in (IN_TRANSACTION, IN_FAILED_TRANSACTION)
        transaction.set_rollback(True)
    assert status() == IDLE


# Connections


def test_a_cursor_that_prepares_is_watched_and_captured_as_any_other(dialect: Dialect) -> None:
    seen: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, *given: Any) -> Any:
        seen.append(sql)
        return execute(sql, *given)

    with connection.execute_wrapper(watch), CaptureQueriesContext(connection) as captured:
        for _ in range(7):  # psycopg prepares what it has sent five times
            with preparing_cursor() as cursor:
                cursor.execute(f"SELECT {dialect.clock}, %s", ["it's"])
                assert cursor.fetchone()[1] == "it's"

    assert len(captured) == len(seen) == 7


def test_patience_is_set_and_put_back_as_it_was(dialect: Dialect) -> None:
    with connection.cursor() as cursor:
        before = dialect.patience(cursor)
        dialect.set_patience(cursor, "1234")
        assert "1234" in dialect.patience(cursor)

        dialect.set_patience(cursor, before)

        assert dialect.patience(cursor) == before


def test_a_database_in_a_file_says_where_it_is_and_how_it_keeps_its_journal(
    dialect: Dialect,
) -> None:
    file = dialect.file(connection)
    with connection.cursor() as cursor:
        mode = dialect.journal_mode(cursor)

    assert (file is None) == (mode == "")
    if file is not None:
        assert file.is_absolute()
        assert mode in {"wal", "memory", "delete"}


def test_one_whose_connection_is_a_socket_has_the_number_of_it(dialect: Dialect) -> None:
    connection.ensure_connection()

    if dialect.has_socket:
        assert connection.connection.fileno() > 0
    else:
        assert not hasattr(connection.connection, "fileno")
