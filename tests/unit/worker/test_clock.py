"""The database's clock, as a process carries it on."""

import datetime as dt

import pytest
from django.db import connection

from neural.ledger import clock
from neural.ledger.clock import CarriedClock, database_clock

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


@pytest.fixture
def database(monkeypatch, time_that):
    """The database says what `database.says` holds."""

    class Database:
        says = NOON

    monkeypatch.setattr(clock, "database_clock", lambda: Database.says)
    return Database


def test_it_is_the_databases_time_carried_on_by_this_processs_own(database, time_that):
    carried = CarriedClock()
    carried.ask()

    time_that.passes(90)

    assert carried.now() == NOON + dt.timedelta(seconds=90)


def test_the_hosts_clock_has_no_part_in_it(database, time_that, monkeypatch):
    carried = CarriedClock()
    carried.ask()

    class Ahead(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return NOON + dt.timedelta(minutes=10)

    monkeypatch.setattr(clock.dt, "datetime", Ahead)

    assert carried.now() == NOON


@pytest.mark.parametrize("jump", [-60, 60])
def test_asked_again_it_says_how_far_the_databases_clock_was_set(database, time_that, jump):
    carried = CarriedClock()
    carried.ask()
    time_that.passes(5)
    database.says = NOON + dt.timedelta(seconds=5 + jump)

    assert carried.ask() == jump
    assert carried.now() == database.says
    assert carried.ask() == 0


@pytest.mark.django_db
def test_the_databases_clock_is_in_utc():
    now = database_clock()

    assert now.utcoffset() == dt.timedelta(0)
    if connection.vendor == "sqlite":
        assert abs(now - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
