"""Whole days of two tills, in any order of arrival, alone or in batches, some events twice, end in
the same rows, and their sums are plain ones."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.models import NeuralEvent, Store
from neural.restaurant.models import DailyDemand, Order
from tests.unit.restaurant.history import handle, in_batches, record, rows, undone
from tests.unit.restaurant.plain_sums import DAY_ENDS_AT, Plain, PlainSums
from tests.unit.restaurant.till_days import SINCE, WHOLE_DAYS

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def recorded(history: list[Any], since: dt.date | None) -> list[NeuralEvent]:
    """The events, in the order of their versions."""
    store = Store.objects.create(
        code="S1", time_zone="UTC", day_ends_at=DAY_ENDS_AT, daily_tickets_since=since
    )
    events = [
        record(store, kind, when, f"event-{number:02}", payload)
        for number, (kind, when, payload) in enumerate(history)
    ]
    return sorted(events, key=lambda event: event.version)


def without_times(events: list[NeuralEvent]) -> list[NeuralEvent]:
    """The events, every other one recorded when it occurred, as if it stated no time."""
    for event in events[::2]:
        event.recorded_at = event.occurred_at
    return events


@given(data=st.data(), history=WHOLE_DAYS, since=SINCE)
@settings(max_examples=200, deadline=None)
def test_any_order_of_arrival_ends_in_the_same_rows(data, history, since):
    with undone():
        events = without_times(recorded(history, since))
        with undone():
            handle(*events)
            expected = rows()
        again = data.draw(st.lists(st.sampled_from(events), max_size=4))
        arrivals = data.draw(st.permutations(events + again))
        for batch in in_batches(arrivals, data.draw(st.sampled_from((1, 3, 50)))):
            handle(*batch)
        assert rows() == expected


@given(data=st.data(), history=WHOLE_DAYS, since=SINCE)
@settings(max_examples=200, deadline=None)
def test_orders_and_demand_are_what_plain_sums_say(data, history, since):
    with undone():
        events = recorded(history, since)
        plain = PlainSums(events, since)
        for event in data.draw(st.permutations(events)):
            handle(event)
        orders = {order.key: order for order in Order.objects.all()}
        assert plain.keys <= set(orders)
        for key, order in orders.items():
            assert read(order) == plain.of(key)
            assert order.unsettled == is_marked(order)
        days = {key: order.business_day for key, order in orders.items()}
        kept = {(row.day, row.dish): row.ordered_quantity for row in DailyDemand.objects.all()}
        assert kept == plain.demand(days)


def is_marked(order: Order) -> bool:
    """Whether something is owed, more was given back than was paid, or a digit is one too many."""
    above = order.refunded > order.paid + order.tips + order.exchanged
    smallest = {"JPY": 1, "CNY": Decimal("0.01"), "": Decimal("0.001")}[order.currency]
    amounts = (order.counted, order.paid, order.refunded)
    return bool(order.balance) or above or any(amount % smallest for amount in amounts)


def read(order: Order) -> Plain:
    return Plain(
        order.state,
        order.total,
        order.paid,
        order.refunded,
        order.returned,
        order.tips,
        order.balance,
    )
