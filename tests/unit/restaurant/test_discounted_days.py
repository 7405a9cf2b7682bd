"""Discounts and coupons of orders, and what learning makes of them."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neural.forecasting.core.features import FEATURES, forecast_examples, training_examples
from neural.forecasting.sales import sales_of
from neural.models import Store
from neural.restaurant.models import SalesReport
from neural.restaurant.neural_demand import discounted_days
from tests.unit.forecasting import sales_of_a_store as made_up
from tests.unit.restaurant.history import Reporter, at

MONDAY = dt.date(2026, 3, 2)
TUESDAY = dt.date(2026, 3, 3)
LAGS = {"promotion_28_days", "weekday_promotion_1", "weekday_promotion_4"}


@pytest.fixture
def till() -> Reporter:
    return Reporter(Store.objects.create(code="S1", time_zone="UTC", country=""))


def line(dish: str, quantity: Any = 1, price: Any = 10, **more: Any) -> dict[str, Any]:
    return {"dish": dish, "quantity": quantity, "price": price, **more}


def coupon(amount: Any) -> list[dict[str, Any]]:
    return [{"kind": "discount", "amount": amount, "name": "coupon"}]


def states(till: Reporter, *lines: Any, number: str = "A1", minute: int = 0, **more: Any) -> None:
    till.report("order.stated", at(minute), order_id=number, lines=list(lines), **more)


def monday(till: Reporter) -> Any:
    return discounted_days(till.store, first=MONDAY, until=TUESDAY).get(MONDAY, {})


@pytest.mark.django_db
class TestOrders:
    def test_the_discount_of_a_line_is_its_dishs(self, till):
        states(till, line("soup", 2, 10, discount=5), line("rice"))
        assert monday(till) == {"soup": pytest.approx(0.25)}

    def test_a_coupon_is_spread_over_the_lines_of_its_order(self, till):
        states(till, line("soup", 3, 10), line("rice", 1, 10), bill=coupon(8))
        assert monday(till) == {"soup": pytest.approx(0.2), "rice": pytest.approx(0.2)}

    def test_orders_without_a_discount_count_in_the_share(self, till):
        states(till, line("soup"), bill=coupon(4))
        states(till, line("soup", 3), number="A2")
        assert monday(till) == {"soup": pytest.approx(0.1)}

    def test_both_kinds_add_up_to_the_whole(self, till):
        states(till, line("soup", discount=6), bill=coupon(4))
        assert monday(till) == {"soup": pytest.approx(1.0)}

    def test_a_coupon_of_more_than_its_order_takes_no_more_than_the_whole(self, till):
        states(till, line("soup"), bill=coupon(15))
        assert monday(till) == {"soup": 1.0}

    def test_a_gift_is_no_discount(self, till):
        states(till, line("soup", discount=1), line("tea", state="gift"))
        assert set(monday(till)) == {"soup"}

    def test_a_coupon_here_and_there_is_no_promotion(self, till):
        states(till, line("soup", 100), bill=coupon(9))
        assert monday(till) == {}

    def test_an_order_that_counts_nowhere_says_nothing(self, till):
        states(till, line("soup"))
        states(till, line("soup"), number="A2", status="voided", bill=coupon(5))
        assert monday(till) == {}

    def test_what_was_discounted_is_known_of_past_days_alone(self, till):
        for day in range(3):
            bill = coupon(2) if day == 1 else []
            states(till, line("soup"), number=f"A{day}", minute=day * 1440, bill=bill)
        SalesReport.objects.create(store=till.store, day=TUESDAY, context={"holiday": True})

        sales = sales_of(till.store, today=MONDAY + dt.timedelta(days=3), history_days=90)

        assert sales.discounted[:, 0].tolist() == pytest.approx([0, 0.2, 0])
        assert not sales.promotion.any()

    def test_a_report_that_uses_its_names_says_nothing_of_sales(self, till):
        for day in range(3):
            states(till, line("soup"), number=f"A{day}", minute=day * 1440)
        own = {"sold_out": {"soup": 3}, "ahead": [{"day": "2026-03-03", "sold_out": {"soup": 1}}]}
        SalesReport.objects.create(store=till.store, day=MONDAY, context=own)

        sales = sales_of(till.store, today=MONDAY + dt.timedelta(days=3), history_days=90)

        assert not np.isnan(sales.quantities).any()


def changed(first: Any, second: Any) -> set[str]:
    return {name for at, name in enumerate(FEATURES) if (first[:, at] != second[:, at]).any()}


def test_a_discount_changes_what_past_days_tell_and_nothing_else():
    plain = made_up.sales_of(made_up.weekly_demand(days=60))
    discounted = np.zeros_like(plain.quantities)
    discounted[40:60] = 0.3
    known = replace(plain, discounted=discounted)

    found = changed(forecast_examples(plain).values, forecast_examples(known).values)

    assert found == LAGS


def test_a_discount_of_the_day_itself_is_not_known_the_evening_before():
    plain = made_up.sales_of(made_up.weekly_demand(days=60))
    discounted = np.zeros_like(plain.quantities)
    discounted[59] = 0.9
    known = replace(plain, discounted=discounted)

    before, after = (
        training_examples(each, first_day=59, end_day=60).values for each in (plain, known)
    )

    assert changed(before, after) == set()


def test_discounts_of_another_shape_are_refused():
    plain = made_up.sales_of(made_up.weekly_demand(days=60))

    with pytest.raises(ValueError, match="discounted has shape"):
        replace(plain, discounted=np.zeros((3, 1)))
