"""What pages, alerts and metrics read of figures: summed by what they ask for, from few rows."""

import datetime as dt

import pytest
from django.core.management import call_command

from neural.monitoring.models import (
    EventFigures,
    HourFigures,
    MinuteFigures,
    ReadMark,
    TotalEvents,
    TotalFigures,
)
from neural.monitoring.models.figures import EVERY_STORE
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.histograms import BUCKETS, added
from tests.unit.factories import ago, make_store

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)


def histogram(bucket: int, count: int) -> list[int]:
    return [count if number == bucket else 0 for number in range(BUCKETS)]


def of_minute(minute, queue, work, **counts):
    MinuteFigures.objects.create(minute=minute, queue=queue, work=work, **counts)


def of_hour(hour, queue, work, store, **counts):
    for code in (store, EVERY_STORE):
        key = {"hour": hour, "queue": queue, "work": work, "store_code": code}
        row, _ = HourFigures.objects.get_or_create(**key)
        for name, number in counts.items():
            before = getattr(row, name)
            is_histogram = isinstance(number, list)
            setattr(row, name, added(before, number) if is_histogram else before + number)
        row.save()


def of_events(hour, store, kind, events):
    last_at = hour + dt.timedelta(minutes=59)
    EventFigures.objects.create(
        hour=hour, store_code=store, event_type=kind, events=events, last_at=last_at
    )


@pytest.fixture
def minutes():
    of_minute(NOON, "default", "a", succeeded=3, failed=1, wait=histogram(2, 4))
    of_minute(NOON, "default", "b", succeeded=1, wait=histogram(5, 1))
    of_minute(NOON, "high", "a", lost=1, dead=1)
    of_minute(NOON + MINUTE, "default", "a", submitted=7)
    of_minute(NOON + 2 * MINUTE, "default", "a", submitted=9)


def test_minutes_are_summed_by_queue(minutes):
    found = reading.by_minute(NOON, NOON + 2 * MINUTE)

    assert list(found) == [NOON, NOON + MINUTE]
    default = found[NOON]["default",]
    assert (default.succeeded, default.failed, default.attempts) == (4, 1, 5)
    assert (default.wait[2], default.wait[5], sum(default.wait)) == (4, 1, 5)
    assert found[NOON]["high",].dead == 1
    assert found[NOON + MINUTE]["default",].submitted == 7


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ((), {()}),
        (("work",), {("a",), ("b",)}),
        (("work", "queue"), {("a", "default"), ("b", "default"), ("a", "high")}),
    ],
)
def test_they_may_be_summed_by_work_both_or_nothing(minutes, by, keys):
    found = reading.by_minute(NOON, NOON + MINUTE, by=by)

    assert found[NOON].keys() == keys
    assert sum(each.succeeded for each in found[NOON].values()) == 4


def test_hours_are_of_the_stores_that_are_asked_for():
    of_hour(NOON, "default", "a", "S1", succeeded=1)
    of_hour(NOON, "default", "a", "S2", succeeded=2)
    of_hour(NOON, "default", "a", "", succeeded=4)
    of_hour(NOON + HOUR, "default", "a", "S1", succeeded=8)

    every = reading.by_hour(NOON, NOON + HOUR)
    some = reading.by_hour(NOON, NOON + 2 * HOUR, stores=["S1"])
    by_store = reading.by_hour(NOON, NOON + HOUR, by=("store_code",), stores=["S1", "S2"])

    assert every[NOON]["default",].succeeded == 7
    assert [each["default",].succeeded for each in some.values()] == [1, 8]
    assert {key: each.succeeded for key, each in by_store[NOON].items()} == {("S1",): 1, ("S2",): 2}
    assert reading.by_hour(NOON, NOON + HOUR, stores=[]) == {}


def test_events_of_an_hour_are_summed_by_store():
    of_events(NOON, "S1", "order.created", 2)
    of_events(NOON, "S1", "order.paid", 3)
    of_events(NOON, "S2", "order.paid", 4)
    of_events(NOON + HOUR, "S2", "order.paid", 5)

    assert reading.events_by_hour(NOON, NOON + HOUR) == {NOON: {"S1": 5, "S2": 4}}
    some = reading.events_by_hour(NOON, NOON + 2 * HOUR, stores=["S2"])
    assert some == {NOON: {"S2": 4}, NOON + HOUR: {"S2": 5}}


def test_a_stores_last_event_is_found_whatever_its_type_and_however_old():
    for code in ("S1", "S2", "S3"):
        make_store(code)
    of_events(NOON, "S1", "order.created", 2)
    of_events(NOON + HOUR, "S1", "order.paid", 2)
    of_events(NOON - 300 * 24 * HOUR, "S2", "order.paid", 2)

    found = reading.last_events()

    assert found.keys() == {"S1", "S2"}
    assert found["S1"] == NOON + HOUR + 59 * MINUTE
    assert reading.last_events(["S2"]).keys() == {"S2"}


def test_totals_are_those_of_all_time():
    TotalFigures.objects.create(queue="default", work="a", succeeded=5, wait=histogram(0, 5))
    TotalEvents.objects.create(event_type="order.paid", events=6)

    assert reading.totals()["default", "a"].succeeded == 5
    assert reading.event_totals() == {"order.paid": 6}


def test_figures_are_complete_up_to_the_earliest_of_the_marks():
    assert reading.counted_until() is None
    for number, name in enumerate(reading.MARKS):
        ReadMark.objects.create(name=name, read_at=NOON + number * MINUTE)

    assert reading.counted_until() == NOON
    ReadMark.objects.filter(pk=reading.MARKS[1]).update(read_at=None)
    assert reading.counted_until() is None


def test_old_figures_are_pruned_and_those_of_all_time_stay(settings, capsys):
    settings.NEURAL = {
        **settings.NEURAL,
        "figures_minutes_kept_days": 2,
        "figures_hours_kept_days": 5,
    }
    for days in (9, 3, 1):
        of_minute(ago(days=days), "default", "a")
        of_hour(ago(days=days), "default", "a", "S1")
        of_events(ago(days=days), "S1", "order.paid", 1)
    TotalFigures.objects.create(queue="default", work="a")

    call_command("prune")

    assert MinuteFigures.objects.count() == 1
    assert HourFigures.objects.filter(store_code="S1").count() == 2
    assert EventFigures.objects.count() == 2
    assert TotalFigures.objects.exists()
