"""The channels of orders, and what learning makes of them."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neural.forecasting.core.series import CHANNELS
from neural.forecasting.sales import sales_of
from neural.forecasting.sources import KnowsChannels, demand_source
from neural.models import Store
from neural.restaurant.models import Channel, SalesReport
from neural.restaurant.neural_demand import sold_by_channel
from tests.unit.restaurant.history import Reporter, at

pytestmark = pytest.mark.django_db

MONDAY = dt.date(2026, 3, 2)
TUESDAY = MONDAY + dt.timedelta(days=1)


@pytest.fixture
def till() -> Reporter:
    return Reporter(Store.objects.create(code="S1", time_zone="UTC", country=""))


def line(dish: str, quantity: Any = 1, **more: Any) -> dict[str, Any]:
    return {"dish": dish, "quantity": quantity, "price": 10, **more}


def states(till: Reporter, *lines: Any, number: str = "A1", minute: int = 0, **more: Any) -> None:
    till.report("order.stated", at(minute), order_id=number, lines=list(lines), **more)


def monday(till: Reporter) -> dict[tuple[str, str], float]:
    rows = sold_by_channel(till.store, first=MONDAY, until=TUESDAY)
    return {(dish, channel): portions for _, dish, channel, portions in rows}


def test_the_channels_of_orders_and_those_that_forecasts_know_are_the_same():
    assert set(CHANNELS) == set(Channel.values)


def test_portions_are_added_up_by_dish_and_channel(till):
    states(till, line("soup", 2), line("rice"), channel="dine_in")
    states(till, line("soup", 3), number="A2", channel="delivery")
    states(till, line("soup", "0.5"), number="A3", channel="delivery")

    assert monday(till) == {
        ("soup", "dine_in"): 2,
        ("rice", "dine_in"): 1,
        ("soup", "delivery"): 3.5,
    }


def test_orders_without_a_channel_or_of_other_days_are_left_out(till):
    states(till, line("soup"))
    states(till, line("soup"), number="A2", channel="takeaway", minute=24 * 60)

    assert monday(till) == {}


def test_portions_count_as_in_daily_demand(till):
    states(
        till,
        line("soup", 4, state="void"),
        line("tea", 1, state="gift"),
        line("card", 1, role="deferred"),
        line("menu", 1, line_id="m"),
        line("rice", 2, role="component", parent="m"),
        line("egg", 1, role="modifier", parent="m"),
        channel="takeaway",
    )
    states(till, line("soup"), number="A2", status="voided", channel="delivery")

    found = monday(till)

    rows = demand_source().sales(till.store, first=MONDAY, until=TUESDAY)
    sold = {dish: portions for _, dish, _, portions in rows if portions}
    assert found == {(dish, "takeaway"): portions for dish, portions in sold.items()}
    assert sold == {"tea": 1, "menu": 1, "rice": 2}


def test_learning_has_them_by_day_and_dish(till):
    for day in range(3):
        states(till, line("soup", 2), number=f"A{day}", minute=day * 1440, channel="dine_in")
        states(till, line("soup", day), number=f"B{day}", minute=day * 1440, channel="delivery")
        states(till, line("rice", 5), number=f"C{day}", minute=day * 1440)

    sales = sales_of(till.store, today=MONDAY + dt.timedelta(days=3), history_days=90)

    soup, rice = sales.dishes.index("soup"), sales.dishes.index("rice")
    assert sales.channels[CHANNELS.index("dine_in"), :, soup].tolist() == [2, 2, 2]
    assert sales.channels[CHANNELS.index("delivery"), :, soup].tolist() == [0, 1, 2]
    assert not sales.channels[:, :, rice].any()
    assert sales.quantities[:, soup].tolist() == [2, 3, 4]


def test_channels_are_read_of_the_last_days_alone(till, monkeypatch):
    monkeypatch.setattr("neural.forecasting.sales.CHANNEL_DAYS", 2)
    for day in range(4):
        states(till, line("soup"), number=f"A{day}", minute=day * 1440, channel="dine_in")

    sales = sales_of(till.store, today=MONDAY + dt.timedelta(days=4), history_days=90)

    assert sales.channels[CHANNELS.index("dine_in"), :, 0].tolist() == [0, 0, 1, 1]


def test_a_store_whose_orders_state_none_has_none(till):
    for day in range(3):
        states(till, line("soup"), number=f"A{day}", minute=day * 1440)

    sales = sales_of(till.store, today=MONDAY + dt.timedelta(days=3), history_days=90)

    assert sales.channels is None


def test_so_has_one_of_sales_reports(till):
    for day in range(3):
        till.report(
            "sales.reported",
            at(day * 1440),
            day=str(MONDAY + dt.timedelta(days=day)),
            lines=[{"dish": "soup", "quantity": 5}],
        )
    assert SalesReport.objects.count() == 3

    sales = sales_of(till.store, today=MONDAY + dt.timedelta(days=3), history_days=90)

    assert sales.channels is None


class Elsewhere:
    """A source that knows of no channels, as any was before there were some."""

    def __init__(self) -> None:
        self.source = demand_source()

    def sales(self, store, *, first, until):
        return self.source.sales(store, first=first, until=until)

    def reports(self, store, *, first, until):
        return []


def test_a_source_need_not_know_channels(till, monkeypatch):
    assert isinstance(demand_source(), KnowsChannels)
    states(till, line("soup"), channel="delivery")
    with_them = sales_of(till.store, today=TUESDAY, history_days=90)
    elsewhere = Elsewhere()
    monkeypatch.setattr("neural.forecasting.sales.demand_source", lambda: elsewhere)

    without = sales_of(till.store, today=TUESDAY, history_days=90)

    assert with_them.channels.any()
    assert without.channels is None
    assert np.array_equal(replace(with_them, channels=None).quantities, without.quantities)
