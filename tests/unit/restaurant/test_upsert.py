"""Rows are added up in the database, whether they exist already or not."""

import datetime as dt

import pytest

from neural.monitoring.models import EventFigures
from neural.monitoring.rollups import writing
from neural.monitoring.rollups.writing import GREATEST, LEAST, SUM, add_up

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
KEYS = ("hour", "store_code", "event_type")


def add(*rows, last=GREATEST):
    add_up(EventFigures, KEYS, {"events": SUM, "last_at": last}, rows)


def of(store, number, minutes):
    return (NOON, store, "order.created", number, NOON + dt.timedelta(minutes=minutes))


def kept():
    rows = EventFigures.objects.order_by("store_code")
    return [(row.store_code, row.events, (row.last_at - NOON).seconds // 60) for row in rows]


def test_new_rows_are_inserted_and_known_ones_added_to():
    add(of("S2", 3, 10), of("S1", 1, 20))
    add(of("S1", 4, 5), of("S3", 2, 1))

    assert kept() == [("S1", 5, 20), ("S2", 3, 10), ("S3", 2, 1)]


def test_of_times_the_first_or_the_last_is_kept():
    add(of("S1", 1, 20))
    add(of("S1", 1, 30))
    add(of("S1", 1, 10), last=LEAST)

    assert kept() == [("S1", 3, 10)]


def test_any_number_of_rows_is_written_in_the_order_of_their_keys(
    monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(writing, "ROWS", 4)
    with django_assert_num_queries(3) as made:
        add(*(of(f"S{number}", number, 1) for number in (9, 3, 1, 7, 2, 8, 4, 6, 5)))

    assert len(kept()) == 9
    first = made.captured_queries[0]["sql"]
    assert first.index("S1") < first.index("S2") < first.index("S4")


def test_without_rows_nothing_is_asked(django_assert_num_queries):
    with django_assert_num_queries(0):
        add()
