"""What handlers read of orders. Of those that are locked together, rows that are alike are built
from one another; of those whose money is computed, a few columns are read."""

from decimal import Decimal

import pytest
from django.db import transaction

from neural.models import Store
from neural.restaurant.models import Order
from neural.restaurant.totals import recompute_money
from tests.unit.restaurant.history import at, handle, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def store() -> Store:
    return Store.objects.create(code="S1", time_zone="UTC")


def locked(store: Store, *keys: str) -> dict[str, Order]:
    with transaction.atomic():
        orders = Order.objects.lock({(key, store.code) for key in keys})
    return {order.key: order for order in orders}


def values(order: Order) -> dict[str, object]:
    return {field.name: getattr(order, field.attname) for field in Order._meta.concrete_fields}


def test_each_order_is_as_it_is_in_the_database_whether_new_or_known(store):
    placed = {"order_id": "A1", "lines": [{"dish": "soup", "quantity": 1, "price": "9.50"}]}
    handle(record(store, "order.created", at(0), "1", placed))
    locked(store, "A2")
    orders = locked(store, "A1", "A2", "A3", "A4")

    assert sorted(orders) == ["A1", "A2", "A3", "A4"]
    for key, order in orders.items():
        kept = Order.objects.get(key=key)
        assert (order, values(order)) == (kept, values(kept))
        assert (order._state.adding, order._state.db) == (False, "default")


def test_orders_that_differ_in_an_amount_alone_keep_their_own(store):
    locked(store, "A1", "A2", "A3")
    Order.objects.filter(key="A2").update(fees=Decimal("1.5"))

    assert {key: order.fees for key, order in locked(store, "A1", "A2", "A3").items()} == {
        "A1": 0,
        "A2": Decimal("1.5"),
        "A3": 0,
    }


def test_what_one_of_several_new_orders_gets_is_not_the_others(store):
    of = [("A1", "accepted"), ("A2", "preparing"), ("A1", "ready")]
    handle(
        *(
            record(store, "order.status_changed", at(n), str(n), {"order_id": key, "status": told})
            for n, (key, told) in enumerate(of)
        ),
        *(
            record(store, "delivery.updated", at(n), f"d{n}", {"order_id": key, "status": told})
            for n, (key, told) in enumerate((("A3", "assigned"), ("A4", "delivered")))
        ),
    )

    orders = {order.key: order for order in Order.objects.all()}
    assert [step["status"] for step in orders["A1"].progress] == ["accepted", "ready"]
    assert [step["status"] for step in orders["A2"].progress] == ["preparing"]
    assert [len(orders[key].delivery["steps"]) for key in ("A3", "A4")] == [1, 1]
    assert orders["A2"].delivery == {}


def test_the_money_of_many_orders_takes_as_many_statements_as_that_of_one(
    store, django_assert_num_queries
):
    for key in ("A1", "A2", "A3"):
        paid = {"payment_id": f"P-{key}", "order_id": key, "amount": "5", "currency": "CNY"}
        handle(record(store, "payment.completed", at(0), f"p-{key}", paid))
    known = [*Order.objects.values_list("pk", flat=True)]
    Order.objects.update(paid=0, unsettled=False, business_day=None)

    with transaction.atomic(), django_assert_num_queries(4):
        recompute_money(known)

    assert {order.paid for order in Order.objects.all()} == {5}
    assert {order.unsettled for order in Order.objects.all()} == {True}
