"""Sold-out periods from events, and what learning makes of them."""

import datetime as dt
from itertools import permutations

import numpy as np
import pytest

from neural.forecasting.sales import sales_of
from neural.models import Store
from neural.restaurant.models import Availability, SalesReport
from neural.restaurant.neural_demand import sold_out_days
from neural.restaurant.sold_out import Report, periods, sold_out_shares
from tests.unit.restaurant.history import Reporter, at, handle, rows, sold

MONDAY = dt.date(2026, 3, 2)
TUESDAY = dt.date(2026, 3, 3)
END = at(24 * 60)


def gone(minute: float, until: float | None = None) -> Report:
    return Report(f"{minute:05}".encode(), at(minute), True, None if until is None else at(until))


def back(minute: float) -> Report:
    return Report(f"{minute:05}".encode(), at(minute), False, None)


@pytest.mark.parametrize(
    ("reports", "spans"),
    [
        ([gone(0), back(60)], [(0, 60)]),
        ([gone(0)], [(0, 24 * 60)]),
        ([gone(0, until=30)], [(0, 30)]),
        ([gone(0, until=90), back(60)], [(0, 60)]),
        ([gone(0, until=30), gone(10, until=90)], [(0, 10), (10, 90)]),
        ([gone(0), back(60), back(90), gone(120), back(150)], [(0, 60), (120, 150)]),
        ([back(0)], []),
        ([gone(60, until=0)], []),
    ],
)
def test_a_dish_is_sold_out_until_it_is_back_or_until_a_stated_time(reports, spans):
    for some in permutations(reports):
        assert periods(some, end=END) == [(at(start), at(end)) for start, end in spans]


def hours(day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Open from noon to ten in the evening (UTC)."""
    opens = at((day - MONDAY).days * 24 * 60)
    return opens, opens + dt.timedelta(hours=10)


OPENED = {MONDAY: hours(MONDAY), TUESDAY: hours(TUESDAY)}


def test_a_share_is_that_of_the_open_hours():
    spans = [(at(60), at(120)), (at(5 * 60), at(20 * 60))]

    assert sold_out_shares(spans, OPENED, sold_on=frozenset()) == {MONDAY: pytest.approx(0.6)}


def test_a_dish_that_nobody_calls_back_and_that_sells_nothing_stays_sold_out():
    spans = [(at(5 * 60), at(60 * 60))]

    shares = sold_out_shares(spans, OPENED, sold_on=frozenset({MONDAY}))

    assert shares == {MONDAY: 0.5, TUESDAY: 1.0}


def test_a_dish_that_sells_on_the_next_day_was_back():
    spans = [(at(5 * 60), at(60 * 60))]

    shares = sold_out_shares(spans, OPENED, sold_on=frozenset({MONDAY, TUESDAY}))

    assert shares == {MONDAY: 0.5}


def test_a_dish_that_is_called_back_on_the_next_day_was_sold_out_until_then():
    spans = [(at(5 * 60), at((24 + 2) * 60))]

    shares = sold_out_shares(spans, OPENED, sold_on=frozenset({MONDAY, TUESDAY}))

    assert shares == {MONDAY: 0.5, TUESDAY: pytest.approx(0.2)}


@pytest.fixture
def store() -> Store:
    return Store.objects.create(code="S1", time_zone="UTC", country="")


@pytest.fixture
def till(store) -> Reporter:
    return Reporter(store)


def sells(till: Reporter, day: int, soup: int = 10, *, orders: bool = True) -> None:
    """A day of rice, and of soup; its orders are placed from noon to ten."""
    date = MONDAY + dt.timedelta(days=day)
    till.report(
        "sales.reported", at(day * 1440 + 719), day=str(date),
        lines=[sold("rice", 10), sold("soup", soup)],
    )  # fmt: skip
    for hour in (0, 10) if orders else ():
        till.report(
            "order.stated", at(day * 1440 + hour * 60), order_id=f"{day}-{hour}",
            lines=[{"dish": "rice", "quantity": 1, "price": 1}],
        )  # fmt: skip


def learned(store: Store, days: int, dish: str = "soup") -> list[float]:
    today = MONDAY + dt.timedelta(days=days)
    sales = sales_of(store, today=today, history_days=365)
    return sales.quantities[:, sales.dishes.index(dish)].tolist()


@pytest.mark.django_db
class TestEvents:
    def test_the_same_report_in_any_order_and_twice_is_one_row(self, store, till):
        event = till.report("item.sold_out", at(5), dish="soup", until=str(at(90)))
        till.report("item.available", at(60), dish="soup", reason="delivered", till="T1")
        before = rows()

        handle(event)

        assert rows() == before
        assert Availability.objects.count() == 2

    def test_a_time_without_zone_is_the_stores_own(self, till):
        till.store.time_zone = "Asia/Shanghai"
        till.store.save()
        till.report("item.sold_out", name="soup", until="2026-03-02T21:00:00")

        found = Availability.objects.get()

        assert (found.dish, found.until) == ("soup", at(60))

    def test_a_day_on_which_a_dish_was_sold_out_for_half_the_open_hours_is_unknown(
        self, store, till
    ):
        for day in range(3):
            sells(till, day, soup=4 if day == 1 else 10)
        till.report("item.sold_out", at(1440 + 5 * 60), dish="soup")
        till.report("item.available", at(1440 + 10 * 60), dish="soup")

        assert np.isnan(learned(store, 3)[1])
        assert learned(store, 3, "rice") == [10, 10, 10]

    def test_a_day_on_which_it_was_sold_out_for_less_is_demand(self, store, till):
        for day in range(3):
            sells(till, day)
        till.report("item.sold_out", at(1440 + 6 * 60), dish="soup")
        till.report("item.available", at(1440 + 10 * 60), dish="soup")

        assert learned(store, 3) == [10, 10, 10]

    def test_days_without_a_single_portion_are_unknown_while_it_is_sold_out(self, store, till):
        for day in range(4):
            sells(till, day, soup=0 if day in (1, 2) else 10)
        till.report("item.sold_out", at(600), dish="soup")

        quantities = learned(store, 4)

        assert np.isnan(quantities[1:3]).all()
        assert (quantities[0], quantities[3]) == (10, 10)

    def test_what_a_report_says_of_the_day_does_not_replace_it(self, store, till):
        for day in range(3):
            sells(till, day)
        till.report("item.sold_out", at(1440), dish="soup", until=str(at(1440 + 600)))
        SalesReport.objects.filter(day=TUESDAY).update(context={"holiday": True})

        assert np.isnan(learned(store, 3)[1])

    def test_without_orders_the_business_day_counts_whole(self, store, till):
        sells(till, 0, orders=False)
        till.report("item.sold_out", at(0), dish="soup", until=str(at(6 * 60)))

        found = sold_out_days(store, first=MONDAY, until=TUESDAY)

        assert found == {MONDAY: {"soup": 0.25}}

    def test_a_dish_that_nobody_takes_back_is_off_the_menu_after_four_weeks(self, store, till):
        sells(till, 0)
        till.report("item.sold_out", at(600), dish="soup")

        found = sold_out_days(store, first=MONDAY, until=MONDAY + dt.timedelta(days=90))

        assert max(found) == MONDAY + dt.timedelta(days=28)

    def test_a_period_that_began_before_the_days_asked_for_counts(self, store, till):
        till.report("item.sold_out", at(0), dish="soup")

        found = sold_out_days(store, first=TUESDAY, until=TUESDAY + dt.timedelta(days=1))

        assert found == {TUESDAY: {"soup": 1.0}}

    def test_a_store_that_reports_nothing_sold_out_costs_one_query(
        self, store, django_assert_num_queries
    ):
        with django_assert_num_queries(1):
            assert sold_out_days(store, first=MONDAY, until=TUESDAY) == {}
