"""What is known of an order before its own event arrives does not depend on what arrives first."""

import itertools

import pytest

from neural.models import Store
from neural.restaurant.models import Order
from neural.restaurant.models.order_status import step, with_step
from tests.unit.restaurant.history import at, handle, record, rows, undone

pytestmark = pytest.mark.django_db


def test_an_expected_order_of_a_day_is_on_it_whatever_comes_first():
    store = Store.objects.create(code="S1")
    of = {"till": "T", "day": "2026-02-28", "order_id": "17"}
    events = [
        record(store, "order.status_changed", at(0), "1", {**of, "status": "open"}),
        record(store, "payment.stated", at(1), "2", {**of, "payment_id": "P", "amount": 5}),
        record(store, "delivery.updated", at(2), "3", {**of, "status": "assigned"}),
    ]
    found = []
    for arrival in itertools.permutations(events):
        with undone():
            for event in arrival:
                handle(event)
            found.append(rows())
            assert str(Order.objects.get().business_day) == "2026-02-28"

    assert all(each == found[0] for each in found)


def test_steps_of_one_moment_have_one_order_however_the_database_returns_them():
    one, other = (step(at=at(0), status="cancelled", reason=reason) for reason in ("a", "b"))

    def returned(told):
        """PostgreSQL sorts the names of a JSON object."""
        return {name: told[name] for name in sorted(told)}

    assert with_step([returned(one)], other) == with_step([returned(other)], one)
