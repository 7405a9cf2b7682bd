"""Marks read each row of a table once, also where rows commit in another order than their keys."""

import datetime as dt
from contextlib import contextmanager

import pytest
from django.db import connection, connections
from django.utils import timezone

from neural.ledger import dialects
from neural.monitoring.models import ReadMark, Tally
from neural.monitoring.rollups import marks
from neural.monitoring.rollups.marks import Span, reading_on
from tests.watching import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite has one writer at a time"
)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(marks, "PAUSE", dt.timedelta(0))


def begin():
    with reading_on("rows", Tally) as span:
        assert span is None


def row() -> int:
    return Tally.objects.create(figures="[]").pk


def read_once(**options) -> list[int]:
    """The keys that one call reads."""
    with reading_on("rows", Tally, **options) as span:
        if span is None:
            return []
        rows = Tally.objects.filter(pk__gt=span.after, pk__lte=span.up_to)
        return list(rows.order_by("pk").values_list("pk", flat=True))


def read_until(*keys: int) -> list[int]:
    """What many calls read until these keys are among it."""
    found: list[int] = []

    def all_read() -> bool:
        found.extend(read_once())
        return set(keys) <= set(found)

    wait_until(all_read)
    return found


@contextmanager
def another_connection():
    other = connections["default"].copy()
    other.set_autocommit(False)
    try:
        yield other
    finally:
        other.rollback()
        other.close()


def insert(other) -> int:
    with other.cursor() as cursor:
        cursor.execute("INSERT INTO neural_monitoring_tally (figures) VALUES ('[]') RETURNING id")
        return cursor.fetchone()[0]


def test_the_first_call_begins_after_the_rows_that_exist():
    old = row()
    begin()
    new = row()

    assert old not in read_until(new)


def test_each_row_is_read_once_and_in_order():
    begin()
    keys = [row() for _ in range(5)]
    found = read_until(keys[-1])
    more = [row() for _ in range(2)]

    assert found == keys
    assert read_until(*more) == more
    assert read_once() == []


def test_a_span_has_so_many_keys_at_most():
    begin()
    read_until(row())
    keys = [row() for _ in range(5)]
    wait_until(lambda: read_once(most=2) == keys[:2])

    assert read_once(most=2) == keys[2:4]
    assert read_once(most=2) == keys[4:]


def test_what_fails_is_read_again():
    begin()
    key = row()
    spans: list[Span] = []

    def fails() -> bool:
        with reading_on("rows", Tally) as span:
            if span:
                spans.append(span)
                raise ConnectionError("killed")
        return bool(spans)

    with pytest.raises(ConnectionError):
        wait_until(fails)
    assert read_until(key) == [key]


def test_names_have_marks_of_their_own():
    begin()
    with reading_on("others", Tally):
        pass
    key = row()
    read_until(key)

    def others() -> bool:
        with reading_on("others", Tally) as span:
            return span is not None and span.up_to == key

    wait_until(others)


def test_its_time_is_that_up_to_which_every_committed_row_is_read():
    begin()
    key, committed = row(), timezone.now()
    read_until(key)

    wait_until(lambda: read_once() == [] and ReadMark.objects.get().read_at > committed)


@on_postgresql
def test_another_relay_that_reads_leaves_nothing_to_do():
    begin()
    key = row()
    wait_until(lambda: ReadMark.objects.get().candidate_id >= key or read_once())
    row()
    with another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT * FROM neural_monitoring_readmark FOR UPDATE")

        assert read_once() == []


@on_postgresql
def test_a_row_with_a_smaller_key_that_commits_later_is_not_left_out():
    begin()
    with another_connection() as other:
        smaller = insert(other)
        greater = row()
        for _ in range(5):
            assert read_once() == []

        other.commit()
    assert read_until(smaller, greater) == [smaller, greater]


@on_postgresql
def test_a_transaction_that_is_younger_than_those_that_have_ended_is_waited_for():
    """Its number is greater than that of each transaction that has ended so far."""
    begin()
    with another_connection() as older, another_connection() as younger:
        with older.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
        smaller = insert(younger)
        greater = insert(older)
        older.commit()
        for _ in range(5):
            assert read_once() == []

        younger.commit()
    assert read_until(smaller, greater) == [smaller, greater]


@on_postgresql
def test_a_row_that_is_rolled_back_holds_up_nothing():
    begin()
    with another_connection() as other:
        insert(other)
        other.rollback()
        key = row()

        assert read_until(key) == [key]


@on_postgresql
def test_a_transaction_that_only_reads_holds_up_nothing():
    begin()
    with another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT * FROM neural_monitoring_tally")
        key = row()

        assert read_until(key) == [key]


@on_postgresql
def test_numbers_are_taken_a_moment_after_the_candidate(monkeypatch):
    """A key is drawn a moment before its transaction gets a number."""
    monkeypatch.setattr(marks, "PAUSE", dt.timedelta(hours=1))
    begin()
    key = row()
    for _ in range(5):
        assert read_once() == []
    assert ReadMark.objects.get().horizon is None

    ReadMark.objects.update(candidate_at=timezone.now() - dt.timedelta(hours=2))
    wait_until(lambda: read_once() == [key])


@on_postgresql
def test_after_the_clock_was_set_back_rows_are_read_on():
    begin()
    key = row()
    ahead = timezone.now() + dt.timedelta(hours=1)
    ReadMark.objects.update(candidate_id=key, candidate_at=ahead, horizon=None)

    assert read_until(key) == [key]


@on_postgresql
def test_on_a_new_server_whose_transactions_count_from_the_start_rows_are_read_on():
    """A dump was restored, and the mark has a number of the old server."""
    begin()
    key = row()
    ReadMark.objects.update(candidate_id=key, horizon=2**60)

    assert read_until(key) == [key]


@on_postgresql
def test_a_transaction_has_a_number_and_is_no_older_than_the_oldest():
    with connection.cursor() as cursor:
        first = dialects.ledger_dialect().transactions(cursor)
        second = dialects.ledger_dialect().transactions(cursor)

    assert first[0] <= first[1] < second[1]
