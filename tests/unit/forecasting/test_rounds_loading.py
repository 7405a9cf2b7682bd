"""A store's sales as arrays: what is known, what is zero, and what is missing."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.core.series import HORIZONS, Sales
from neural.forecasting.sales import sales_of
from neural.models import Store
from neural.restaurant.models import DailyDemand, SalesReport
from tests.unit.factories import make_store
from tests.unit.restaurant.demand import day, sell

pytestmark = pytest.mark.django_db

nan = float("nan")


@pytest.fixture
def store():
    return make_store("S01")


def load(store: Store, *, until: int, **options) -> Sales:
    """What is known on the morning of a day."""
    options.setdefault("history_days", 365)
    return sales_of(store, today=day(until), **options)


def report(store: Store, number: int, version: int | None = None, **context) -> None:
    """A report of a day, with its context; later days are newer unless a version is given."""
    newness = (number + 1000 if version is None else version).to_bytes(8, "big")
    SalesReport.objects.create(store=store, day=day(number), context=context, version=newness)


def column(sales: Sales, dish: str = "rice") -> list[float]:
    return sales.quantities[:, sales.dishes.index(dish)].tolist()


def same(found, expected) -> bool:
    return bool(np.array_equal(np.array(found), np.array(expected), equal_nan=True))


def test_rows_are_days_from_the_first_with_sales_to_the_day_before_today(store):
    sell(store, {3: 10, 4: "12.5"})

    sales = load(store, until=6)

    assert (sales.first_day, sales.last_day, sales.days) == (day(3), day(5), 3)
    assert same(column(sales), [10, 12.5, nan])
    assert sales.closed.tolist() == [False, False, True, *[False] * HORIZONS]
    assert (sales.names, sales.country) == (("Rice",), "CN")


def test_a_day_that_has_not_ended_is_left_out(store):
    sell(store, {0: 10, 1: 99})

    assert same(column(load(store, until=1)), [10])


def test_a_dish_that_is_missing_on_an_open_day_is_zero_but_not_before_its_first_sale(store):
    sell(store, {0: 10, 1: 10, 2: 10, 3: 10})
    sell(store, {1: 5, 3: 6}, "soup")

    assert same(column(load(store, until=4), "soup"), [nan, 5, 0, 6])


def test_a_day_of_zeros_is_a_closed_day(store):
    sell(store, {0: 10, 1: 0, 2: 10})

    sales = load(store, until=3)

    assert same(column(sales), [10, nan, 10])
    assert sales.closed[:3].tolist() == [False, True, False]


def test_older_days_than_the_plan_looks_back_are_not_read(store):
    sell(store, dict.fromkeys(range(50), 10))

    assert load(store, until=50, history_days=28).first_day == day(22)


def test_dishes_that_were_not_sold_lately_are_left_out_however_much_they_were_sold(store):
    sell(store, {0: 9999}, "mooncake")
    sell(store, dict.fromkeys(range(1, 41), 10))

    assert load(store, until=41).dishes == ("rice",)


def test_of_many_dishes_those_count_of_which_most_is_sold(store):
    for number, dish in enumerate(("a", "b", "c", "d")):
        sell(store, {0: [5, 20, 10, 20][number]}, dish)

    assert load(store, until=1, most_dishes=2).dishes == ("b", "d")


def test_a_day_counts_as_open_even_if_only_dishes_that_are_left_out_were_sold(store):
    sell(store, {0: 10, 1: 10})
    sell(store, {2: 1}, "mooncake")

    sales = load(store, until=3, most_dishes=1)

    assert same(column(sales), [10, 10, 0])


def test_a_store_that_sold_nothing_has_not_enough_history(store):
    with pytest.raises(NotEnoughHistory):
        load(store, until=10)


# What reports say


def test_holidays_promotions_and_discounts_are_of_their_day_and_dish(store):
    sell(store, dict.fromkeys(range(4), 10))
    sell(store, dict.fromkeys(range(4), 10), "soup")
    report(store, 1, holiday=True, school_holiday=1, promotions=["soup", "unknown", 7])
    report(store, 2, discount={"rice": 0.25, "soup": "0.5", "unknown": 1})

    sales = load(store, until=4)

    assert sales.holiday[:4].tolist() == [0, 1, 0, 0]
    assert sales.school_holiday[:4].tolist() == [0, 1, 0, 0]
    assert sales.promotion[:4].tolist() == [[0, 0], [0, 1], [0.25, 0.5], [0, 0]]


def test_a_dish_that_was_sold_out_for_half_a_day_is_missing_that_day(store):
    sell(store, dict.fromkeys(range(3), 10))
    sell(store, dict.fromkeys(range(3), 10), "soup")
    report(store, 1, stockout_hours={"rice": 12, "soup": 11.5})

    sales = load(store, until=3)

    assert same(column(sales), [10, nan, 10])
    assert same(column(sales, "soup"), [10, 10, 10])


def test_reports_speak_of_coming_days(store):
    sell(store, {0: 10})
    report(
        store,
        0,
        ahead=[
            {"day": day(1).isoformat(), "closed": True, "holiday": True},
            {"day": day(14).isoformat(), "promotions": ["rice"]},
            {"day": day(15).isoformat(), "closed": True},
        ],
    )

    sales = load(store, until=1)

    assert sales.closed[1:].tolist() == [True, *[False] * 13]
    assert sales.holiday[1:].tolist() == [1, *[0] * 13]
    assert sales.promotion[:, 0].tolist() == [*[0] * 14, 1]


def test_the_newest_report_that_speaks_of_a_day_wins(store):
    sell(store, {0: 10, 1: 10})
    report(store, 0, ahead=[{"day": day(3).isoformat(), "closed": True, "holiday": True}])
    report(store, 1, ahead=[{"day": day(3).isoformat(), "closed": False}])

    sales = load(store, until=2)

    assert (sales.closed[3], sales.holiday[3]) == (False, 0)


def opens_but_on(store: Store, weekday: int, *, days: int) -> None:
    """Sold on every day but one of the week, counted from the first day."""
    sell(store, {each: 10 for each in range(days) if each % 7 != weekday})


@pytest.mark.parametrize("weeks", [4, 20])
def test_a_weekday_on_which_a_store_never_opens_is_closed_in_the_weeks_to_come(store, weeks):
    opens_but_on(store, 6, days=7 * weeks)

    ahead = load(store, until=7 * weeks).closed[7 * weeks :]

    assert np.flatnonzero(ahead).tolist() == [6, 13]


def test_it_takes_four_weeks_to_know_such_a_weekday(store):
    opens_but_on(store, 6, days=21)

    assert not load(store, until=21).closed[21:].any()


def test_a_weekday_on_which_it_opened_in_the_last_eight_weeks_may_be_open(store):
    opens_but_on(store, 6, days=140)
    sell(store, {140 - 50: 10})  # the last but seventh of them

    assert not load(store, until=140).closed[140:].any()


def test_a_report_says_better_than_the_usual_week_whether_a_store_opens(store):
    opens_but_on(store, 6, days=56)
    report(store, 55, ahead=[{"day": day(62).isoformat(), "closed": False}])
    report(store, 54, ahead=[{"day": day(69).isoformat(), "closed": {"not": "a flag"}}])

    assert np.flatnonzero(load(store, until=56).closed[56:]).tolist() == [13]


def test_a_store_that_has_not_opened_for_months_may_open_on_any_day(store):
    sell(store, dict.fromkeys(range(30), 10))

    assert not load(store, until=120).closed[120:].any()


def test_newest_is_what_was_said_last_and_not_the_report_of_the_latest_day(store):
    sell(store, {0: 10, 1: 10})
    report(store, 0, version=9, ahead=[{"day": day(3).isoformat(), "closed": True}])
    report(store, 1, version=5, ahead=[{"day": day(3).isoformat(), "closed": False}])

    assert load(store, until=2).closed[3]


def test_a_store_that_sold_was_open_whatever_was_said(store):
    sell(store, {0: 10, 1: 10})
    report(store, 1, closed=True)

    assert not load(store, until=2).closed[1]


@pytest.mark.parametrize(
    "context",
    [
        {"holiday": "perhaps", "school_holiday": [1], "closed": {"a": 1}},
        {"promotions": "rice", "discount": [0.5], "stockout_hours": 12},
        {"promotions": [["rice"], None], "discount": {"rice": "half"}},
        {"discount": {"rice": None}, "stockout_hours": {"rice": "all day"}},
        {"stockout_hours": {"rice": True}, "discount": {"rice": []}},
        {"ahead": "tomorrow"},
        {"ahead": [None, 3, {"day": 7}, {"day": "soon", "closed": True}, {}]},
        {"ahead": [{"day": "0001-01-01", "holiday": True}]},
        {"discount": {"rice": "1e999"}, "holiday": 17},
        {"weather": "rain"},
    ],
)
def test_what_cannot_be_read_is_ignored(store, context):
    sell(store, {0: 10, 1: 10})
    report(store, 1, **context)

    sales = load(store, until=2)

    assert same(column(sales), [10, 10])
    assert not sales.promotion.any()
    for flags in (sales.holiday, sales.school_holiday, sales.closed):
        assert not flags.any()


def test_a_discount_is_between_nothing_and_all(store):
    sell(store, {0: 10})
    sell(store, {0: 10}, "soup")
    report(store, 0, discount={"rice": 7, "soup": -1})

    assert load(store, until=1).promotion[0].tolist() == [1, 0]


def test_a_year_of_three_dishes_takes_four_queries(store, django_assert_num_queries):
    for dish in ("rice", "soup", "tea"):
        sell(store, dict.fromkeys(range(365), 10), dish)

    with django_assert_num_queries(4):
        sales = load(store, until=365)

    assert sales.quantities.shape == (365, 3)


def test_the_newest_name_of_a_dish_is_kept(store):
    sell(store, {0: 10, 1: 10})
    DailyDemand.objects.filter(day=day(1)).update(name="Golden rice")

    assert load(store, until=2).names == ("Golden rice",)


def test_corrections_of_a_report_that_make_it_negative_are_no_sale(store):
    sell(store, {0: 10, 1: 10})
    DailyDemand.objects.filter(day=day(1)).update(
        reported_quantity=None, ordered_quantity=Decimal(-3)
    )

    assert same(column(load(store, until=2)), [10, nan])


def test_the_countrys_code_comes_from_the_store(store):
    Store.objects.update(country="DE")
    sell(store, {0: 10})

    assert load(Store.objects.get(), until=1).country == "DE"


def test_dates_are_plain_business_days(store):
    sell(store, {0: 1})

    assert isinstance(load(store, until=1).last_day, dt.date)
