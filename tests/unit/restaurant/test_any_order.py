"""Events may come twice, late and out of order, alone or in batches: the rows are the same."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.models import NeuralEvent, Store
from neural.restaurant.models import DailyDemand, Order, PaymentKind, SalesReport
from tests.unit.restaurant.history import at, handle, in_batches, record, rows, undone

pytestmark = [pytest.mark.slow, pytest.mark.sqlite, pytest.mark.django_db]

# Few values of each, so that events meet: same orders, same days, same moments, same ids.
ORDERS = st.sampled_from(("A1", "A2", "A3"))
PAYMENTS = st.sampled_from(("P1", "P2"))
DISHES = st.sampled_from(("soup", "rice", "茶"))
DAYS = st.sampled_from(("2026-03-02", "2026-03-03"))
QUANTITIES = st.decimals(0, 5, places=3).map(str)
PRICES = st.decimals(0, 20, places=2).map(str)
CURRENCIES = st.sampled_from(("", "CNY", "USD"))
MOMENTS = st.sampled_from((at(0), at(1), at(2), at(24 * 60)))
IDENTITIES = st.tuples(st.sampled_from("abcéÅ茶"), st.sampled_from(("till", "web")))

LINES = st.lists(
    st.fixed_dictionaries(
        {"dish": DISHES, "quantity": QUANTITIES, "price": PRICES}, optional={"name": DISHES}
    ),
    max_size=3,
)
SOLD = st.lists(
    st.fixed_dictionaries({"dish": DISHES, "quantity": QUANTITIES}, optional={"revenue": PRICES}),
    max_size=3,
)
ORDER = st.fixed_dictionaries(
    {"order_id": ORDERS, "lines": LINES, "currency": CURRENCIES},
    optional={"placed_at": MOMENTS.map(str)},
)
MONEY = {"payment_id": PAYMENTS, "order_id": ORDERS, "amount": PRICES, "currency": CURRENCIES}
ITEM = {"item": st.sampled_from(("flour", "eggs")), "level": QUANTITIES}
SHIFT = {"starts_at": str(at(0)), "ends_at": str(at(60)), "shift_id": "W1"}
THRESHOLD = {"threshold": QUANTITIES}
AT = {"at": MOMENTS.map(str)}
CLOCKED = {"timecard_id": st.sampled_from(("T1", "T2")), "staff_id": DISHES}
NAMED = {"name": DISHES, "role": DISHES, **AT}
OPENING = st.fixed_dictionaries({}, optional={"reason": DISHES, "until": MOMENTS.map(str), **AT})
DISH = st.fixed_dictionaries(
    {"dish": DISHES, "name": DISHES, "price": PRICES}, optional={"available": st.booleans()}
)
PAYLOADS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "order.created": ORDER,
    "order.updated": ORDER,
    "order.cancelled": st.fixed_dictionaries({"order_id": ORDERS, "reason": DISHES}),
    "payment.completed": st.fixed_dictionaries(MONEY),
    "payment.refunded": st.fixed_dictionaries({**MONEY, "refund_id": PAYMENTS}),
    "sales.reported": st.fixed_dictionaries({"day": DAYS, "lines": SOLD}),
    "inventory.low": st.fixed_dictionaries(ITEM, optional=THRESHOLD),
    "inventory.updated": st.fixed_dictionaries(ITEM, optional=THRESHOLD),
    "item.sold_out": st.fixed_dictionaries({"dish": DISHES}, optional={"until": MOMENTS.map(str)}),
    "item.available": st.fixed_dictionaries({"dish": DISHES}),
    "dish.updated": DISH,
    "menu.updated": st.fixed_dictionaries(
        {"items": st.lists(DISH, max_size=3), "complete": st.booleans()}
    ),
    "delivery.updated": st.fixed_dictionaries(
        {"order_id": ORDERS, "status": st.sampled_from(("assigned", "picked_up", "delivered"))},
        optional={"courier": DISHES, "eta": MOMENTS.map(str), **AT},
    ),
    "store.opened": OPENING,
    "store.busy": OPENING,
    "staff.clocked_in": st.fixed_dictionaries(CLOCKED, optional=NAMED),
    "staff.clocked_out": st.fixed_dictionaries(CLOCKED, optional=NAMED),
    "staff.scheduled": st.fixed_dictionaries(
        {"staff_id": DISHES, **{name: st.just(value) for name, value in SHIFT.items()}}
    ),
}
EVENT = st.sampled_from(sorted(PAYLOADS)).flatmap(
    lambda kind: st.tuples(st.just(kind), MOMENTS, IDENTITIES, PAYLOADS[kind])
)
ORDERS_AND_MONEY = EVENT.filter(lambda event: event[0].startswith(("order", "pay", "sales")))


def histories(event: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(event, min_size=1, max_size=12, unique_by=lambda told: told[2])


def recorded(history: list[Any]) -> list[NeuralEvent]:
    store = Store.objects.create(code="S1", day_ends_at=dt.time(4))
    return [
        record(store, kind, when, event_id, payload, source=source)
        for kind, when, (event_id, source), payload in history
    ]


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_order_of_arrival_ends_in_the_same_rows(data):
    history = data.draw(histories(EVENT | ORDERS_AND_MONEY))
    with undone():
        events = recorded(history)
        with undone():
            handle(*sorted(events, key=lambda event: (*event.version, event.source)))
            expected = rows()
        again = data.draw(st.lists(st.sampled_from(events), max_size=4))
        arrivals = data.draw(st.permutations(events + again))
        for batch in in_batches(arrivals, data.draw(st.sampled_from((1, 3, 50)))):
            handle(*batch)
        assert rows() == expected


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_totals_are_what_their_rows_add_up_to(data):
    history = data.draw(histories(ORDERS_AND_MONEY))
    with undone():
        for event in recorded(history):
            handle(event)
        for order in Order.objects.all():
            assert_money_adds_up(order)
        assert {key_of(row): row.ordered_quantity for row in DailyDemand.objects.all()} == {
            key: placed_quantity(key) for key in counted_keys()
        }


def assert_money_adds_up(order: Order) -> None:
    lines, payments = order.lines.all(), order.payments.all()
    if order.currency:
        payments = payments.filter(currency__in=("", order.currency))
    of_kind = {kind: payments.filter(kind=kind) for kind in PaymentKind}
    assert order.total == sum((each.amount for each in lines), Decimal(0))
    assert order.paid == sum(each.amount for each in of_kind[PaymentKind.PAYMENT])
    assert order.refunded == sum(each.amount for each in of_kind[PaymentKind.REFUND])


def counted_keys() -> set[tuple[dt.date, str]]:
    """Days and dishes of placed orders and of reports."""
    ordered = {
        (order.business_day, line.dish)
        for order in Order.objects.filter(state="placed")
        for line in order.lines.all()
    }
    reports = SalesReport.objects.all()
    return ordered | {(report.day, line["dish"]) for report in reports for line in report.lines}


def placed_quantity(key: tuple[dt.date, str]) -> Decimal | None:
    day, dish = key
    orders = Order.objects.filter(state="placed", business_day=day, lines__dish=dish)
    return orders.aggregate(quantity=Sum("lines__quantity"))["quantity"]


def key_of(row: DailyDemand) -> tuple[dt.date, str]:
    return (row.day, row.dish)
