"""Several relays at once add up once."""

import datetime as dt
from threading import Barrier, Thread

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from neural.monitoring.models import MinuteFigures, ReadMark, Tally, TotalFigures
from neural.monitoring.rollups import folding
from tests.unit.factories import make_run
from tests.unit.monitoring.figures import fold_all

pytestmark = pytest.mark.django_db(transaction=True)
RELAYS, TALLIES = 4, 60


@pytest.fixture(autouse=True)
def _counting(monkeypatch):
    monkeypatch.setattr(folding, "MOST_TALLIES", 3)
    fold_all()


def tally(number: int) -> Tally:
    return Tally(figures=f'[[29000000,"default","work","succeeded",false,2,3,["S{number % 3}"]]]')


def add_up_together() -> None:
    barrier = Barrier(RELAYS)
    threads = [Thread(target=_relay, args=[barrier]) for _ in range(RELAYS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _relay(barrier: Barrier) -> None:
    try:
        barrier.wait()
        for _ in range(RELAYS):
            try:
                folding.fold(as_of=timezone.now(), seconds=60)
            except OperationalError:  # SQLite's one lock was taken for too long
                continue
    finally:
        connection.close()


def test_relays_that_add_up_at_once_count_nothing_twice():
    Tally.objects.bulk_create(tally(number) for number in range(TALLIES))
    for _ in range(5):
        make_run(handler="work")

    add_up_together()
    fold_all()

    found = TotalFigures.objects.get()
    assert (found.succeeded, found.submitted) == (TALLIES, 5)
    assert found.wait[2] == found.duration[3] == TALLIES
    assert sum(row.succeeded for row in MinuteFigures.objects.all()) == TALLIES
    assert not Tally.objects.exists()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="its one writer waits")
def test_while_another_relay_adds_up_this_one_does_nothing():
    Tally.objects.bulk_create([tally(1)])
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT * FROM neural_monitoring_readmark FOR UPDATE")

        assert not folding.fold(as_of=timezone.now(), seconds=60)
        assert Tally.objects.exists()
    finally:
        other.rollback()
        other.close()


def test_the_first_turn_begins_and_the_next_ones_wait_until_it_is_time(settings, monkeypatch):
    settings.NEURAL = {**settings.NEURAL, "figures_seconds": 3600}
    ReadMark.objects.all().delete()
    folding.fold_if_due()
    first = ReadMark.objects.get(pk=folding.MARK).read_at
    Tally.objects.bulk_create([tally(1)])

    folding.fold_if_due()
    assert Tally.objects.exists()

    ReadMark.objects.update(read_at=first - dt.timedelta(seconds=3601))
    folding.fold_if_due()
    assert not Tally.objects.exists()


def test_after_the_clock_was_set_back_relays_add_up_on():
    Tally.objects.bulk_create([tally(1)])
    ReadMark.objects.filter(pk=folding.MARK).update(read_at=timezone.now() + dt.timedelta(hours=1))

    folding.fold_if_due()

    assert not Tally.objects.exists()
    assert ReadMark.objects.get(pk=folding.MARK).read_at <= timezone.now()
