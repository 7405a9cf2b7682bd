"""Summaries follow from demand, in slices, again and again the same."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction

import neural
from neural.models import RunState, TaskRun
from neural.restaurant.analysis import analysing
from neural.restaurant.models import DailyDemand, DemandSummary
from neural.tasks import analyse_demand
from tests.unit.factories import make_store
from tests.unit.restaurant.demand import LATER, MONDAY, analyse, day, rows, sell, summary

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

NINE_MONDAYS = dict.fromkeys(range(0, 63, 7), 50)


@pytest.fixture
def store():
    return make_store("S01")


# What is kept


def test_days_and_weeks_are_summarised_by_dish(store):
    sell(store, {0: 10, 1: 20, 7: 15}, revenue="30.00")
    sell(store, {0: 40}, "soup")

    analyse(store)

    first = summary("day", 0)
    assert (first.quantity, first.revenue, first.rank, first.name) == (10, 30, 2, "Rice")
    assert summary("day", 0, "soup").rank == 1
    week = summary("week", 0)
    assert (week.quantity, week.days, week.revenue, week.rank) == (30, 2, 60, 2)
    assert summary("week", 7).change == 0.5
    assert summary("day", 7).previous_quantity == 10


def test_an_unusual_day_is_kept_with_what_is_usual(store):
    sell(store, NINE_MONDAYS | {56: 200})

    analyse(store)

    found = summary("day", 56)
    assert found.unusual
    assert found.usual_quantity == 50
    assert found.score == pytest.approx(150 / 50**0.5)
    assert DemandSummary.objects.unusual().count() == 1


def test_a_day_counts_when_it_has_ended_by_the_stores_own_clock(store):
    store.day_ends_at = dt.time(3)
    store.save()
    sell(store, {0: 10, 1: 20})
    # Wednesday, 01:00 in Shanghai: Tuesday's business day goes on until three.
    before = dt.datetime(2026, 3, 3, 17, tzinfo=dt.UTC)

    analyse(store, now=before)
    assert [each.starts_on for each in DemandSummary.objects.days()] == [MONDAY]

    analyse(store, now=before + dt.timedelta(hours=2))
    assert DemandSummary.objects.days().count() == 2


def test_doing_it_again_changes_nothing(store):
    sell(store, NINE_MONDAYS | {56: 200}, revenue="10.10")
    sell(store, {0: "1.125", 1: 3, 8: 2}, "soup")
    analyse(store)
    before = rows()

    again = analyse(store)

    assert (again.written, again.deleted) == (0, 0)
    assert rows() == before


def test_in_slices_it_comes_out_as_in_one_piece(store, monkeypatch):
    sell(store, {number: 20 + number * number % 17 for number in range(80)} | {80: 500})
    analyse(store)
    whole = sorted(row[1:] for row in rows())
    DemandSummary.objects.all().delete()
    monkeypatch.setattr(analysing, "SLICE_WEEKS", 1)

    done = analyse(store)

    assert done.slices == 12
    assert sorted(row[1:] for row in rows()) == whole


def test_what_demand_no_longer_says_is_deleted_and_what_it_says_anew_is_written(store):
    sell(store, {0: 10, 7: 15})
    analyse(store)
    DailyDemand.objects.filter(day=day(0)).delete()
    DailyDemand.objects.filter(day=day(7)).update(reported_quantity=18)

    done = analyse(store)

    assert (done.written, done.deleted) == (2, 2)
    assert summary("day", 7).quantity == 18
    assert summary("week", 7).change is None


def test_with_since_only_the_weeks_from_there_on_are_touched(store):
    sell(store, {0: 10, 7: 15, 9: 1})
    analyse(store)
    DailyDemand.objects.filter(day=day(0)).update(reported_quantity=30)
    DailyDemand.objects.filter(day=day(7)).update(reported_quantity=60)

    analyse(store, since=day(9))

    assert summary("day", 0).quantity == 10
    assert summary("day", 7).quantity == 60  # the Monday of that week
    assert summary("day", 7).change == 1.0


def test_years_without_sales_cost_nothing(store):
    sell(store, {-7 * 52 * 8: 5, 0: 10})

    assert analyse(store).slices == 2


def test_no_two_stores_are_mixed(store):
    other = make_store("S02")
    sell(store, NINE_MONDAYS)
    sell(other, dict.fromkeys(NINE_MONDAYS, 500))

    analyse(store)

    assert set(DemandSummary.objects.values_list("store", flat=True)) == {"S01"}
    assert not DemandSummary.objects.unusual().exists()


def test_a_shop_of_the_bakery_chain_takes_few_statements(store, django_assert_max_num_queries):
    sell(store, dict.fromkeys(range(91), 10))

    with django_assert_max_num_queries(12):
        analyse(store)


def test_the_database_refuses_what_makes_no_sense(store):
    sell(store, {0: 1})
    analyse(store)
    first = DemandSummary.objects.days().filter(store=store)

    for wrong in ({"period": "year"}, {"rank": 0}, {"days": 8}, {"unusual": True, "score": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            first.update(**wrong)


# On the ledger


def waiting() -> list[tuple[str, str, int, str]]:
    found = TaskRun.objects.filter(state=RunState.PENDING).order_by("pk")
    return list(found.values_list("unique_key", "queue", "priority", "store"))


def test_without_a_store_a_run_is_asked_for_for_each_that_has_sold(store):
    make_store("S03")
    for each in (store, make_store("S02")):
        sell(each, {0: 1})

    analyse_demand.delay()
    run = TaskRun.objects.get()
    assert (run.queue, run.priority) == ("low_priority", 1)
    (outcome, *others) = neural.run_due()

    assert outcome.value == {"stores": 2}
    assert [each.value for each in others] == [{"written": 2, "deleted": 0}] * 2
    assert DemandSummary.objects.count() == 4


def test_killed_between_stores_it_goes_on_and_none_waits_twice(store):
    for code in ("S01", "S02", "S03"):
        sell(make_store(code), {0: 1})
    analysing.request_analysis()
    run = TaskRun.objects.get(store="S02")
    TaskRun.objects.filter(pk=run.pk).update(state=RunState.SUCCEEDED, finished_at=LATER)

    analysing.request_analysis()  # the run that asked was lost and begins anew

    assert waiting() == [
        (f"analyse_demand:{code}", "low_priority", 1, code) for code in ("S01", "S03", "S02")
    ]


def test_a_run_that_takes_too_long_leaves_the_rest_to_one_that_goes_on(store, monkeypatch):
    monkeypatch.setattr(analysing, "RUN_SECONDS", 0)
    monkeypatch.setattr(analysing, "SLICE_WEEKS", 4)
    sell(store, dict.fromkeys(range(70), 10))
    analyse_demand.delay("S01")

    outcomes = neural.run_due()

    assert [each.value.get("goes_on_at") for each in outcomes] == [day(28), day(56), None]
    runs = TaskRun.objects.order_by("pk").values_list("unique_key", flat=True)
    assert list(runs) == [None, None, None]  # given up when each started
    assert DemandSummary.objects.days().count() == 70
    assert analyse(store).written == 0


def test_one_that_begins_later_does_not_stand_in_for_one_that_begins_earlier(store):
    for since in (day(28), day(0), None, day(0)):
        analysing.request_analysis_of(store=store, since=since)

    assert [key for key, *_ in waiting()] == [
        "analyse_demand:S01:2026-03-30",
        "analyse_demand:S01:2026-03-02",
        "analyse_demand:S01",
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"store_id": "S99"}, "StoreUnknown: there is no store 'S99'"),
        ({"since": "yesterday"}, "DayUnreadable: since must be a day like 2026-03-01"),
    ],
)
def test_what_can_never_succeed_is_dead_at_once(store, arguments, error):
    analyse_demand.apply_async(kwargs=arguments)

    neural.run_due()

    dead = TaskRun.objects.dead().get()
    assert dead.error.startswith(error)


def test_the_task_takes_the_store_and_the_day_as_text(store):
    sell(store, {0: 10, 7: 15})

    analyse_demand.apply_async(kwargs={"store_id": "S01", "since": "2026-03-09"})
    neural.run_due()

    assert {each.starts_on for each in DemandSummary.objects.all()} == {day(7)}
