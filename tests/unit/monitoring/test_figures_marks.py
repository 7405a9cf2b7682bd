"""Marks read each row of a table once, also where rows commit in another order than their keys."""

from contextlib import contextmanager

import pytest
from django.db import connection, connections
from django.utils import timezone

from neural.monitoring.models import ReadMark, Tally
from neural.monitoring.rollups import marks
from neural.monitoring.rollups.marks import Span, reading_on
from tests.watching import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite has one writer at a time"
)


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


def test_the_first_call_begins_with_the_oldest_row():
    old = [row(), row()]

    assert read_until(*old) == old


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


def test_keys_without_rows_take_no_call():
    begin()
    keys = [row(), Tally.objects.create(pk=10**12, figures="[]").pk]

    wait_until(lambda: read_once(most=1) == keys[:1])
    assert read_once(most=1) == keys[1:]


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
    row()
    with another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT * FROM neural_monitoring_readmark FOR UPDATE")

        assert read_once() == []


def test_a_row_that_has_committed_is_read_by_the_next_call():
    begin()
    key = row()

    assert read_once() == [key]


@on_postgresql
def test_a_row_with_a_smaller_key_that_commits_later_is_not_left_out():
    begin()
    with another_connection() as other:
        smaller = insert(other)
        greater = row()
        for _ in range(5):
            assert read_once() == []

        other.commit()
    assert read_once() == [smaller, greater]


@on_postgresql
def test_rows_that_come_while_one_is_waited_for_do_not_prolong_the_wait():
    begin()
    with another_connection() as first, another_connection() as second:
        smaller = insert(first)
        greater = row()
        assert read_once() == []
        later = insert(second)
        first.commit()

        assert read_once() == [smaller, greater]
        second.commit()
    assert read_once() == [later]


@on_postgresql
def test_a_row_that_is_rolled_back_holds_up_nothing():
    begin()
    with another_connection() as other:
        insert(other)
        other.rollback()
        key = row()

        assert read_once() == [key]


@on_postgresql
def test_a_transaction_that_only_reads_holds_up_nothing():
    begin()
    with another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT * FROM neural_monitoring_tally")
        key = row()

        assert read_once() == [key]


@on_postgresql
def test_a_transaction_that_writes_elsewhere_holds_up_nothing():
    begin()
    with another_connection() as other, other.cursor() as cursor:
        cursor.execute(
            "INSERT INTO neural_monitoring_readmark (name, last_id, candidate_id, "
            "writers) VALUES ('another', 0, 0, '[]')"
        )
        key = row()

        assert read_once() == [key]


@on_postgresql
def test_where_transactions_keep_the_view_of_their_beginning_no_row_is_left_out(monkeypatch):
    begin()
    with another_connection() as other:
        smaller = insert(other)
        greater = row()
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_isolation = 'repeatable read'")
        try:
            seen = marks._writers

            def ends_while_it_is_looked_for(model):
                other.commit()
                return seen(model)

            assert read_once() == []
            monkeypatch.setattr(marks, "_writers", ends_while_it_is_looked_for)

            assert read_once() == [smaller, greater]
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET default_transaction_isolation")


@on_postgresql
def test_marks_of_a_server_that_was_restored_wait_for_nobody():
    """A dump was restored, and the mark names transactions of the old server."""
    begin()
    key = row()
    ReadMark.objects.update(candidate_id=key, writers=["3/1234567"])

    assert read_once() == [key]
