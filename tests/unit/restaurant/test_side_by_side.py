"""Two workers at one day, one order, one item at once: neither loses what the other wrote."""

import datetime as dt
import random

import pytest

from neural.models import NeuralEvent, Store
from neural.restaurant.models import Dish, Order, TimeCard
from tests.unit.restaurant.history import NOON, at, demand, handle, line, record, rows, sold, undone
from tests.unit.side_by_side import in_threads, on_postgresql, while_uncommitted

pytestmark = [pytest.mark.django_db(transaction=True), on_postgresql]

MONDAY, TUESDAY = "2026-03-02", "2026-03-03"


@pytest.fixture
def store() -> Store:
    return Store.objects.create(code="S1", time_zone="UTC")


def order(store: Store, number: str, when: dt.datetime = NOON) -> NeuralEvent:
    payload = {"order_id": number, "lines": [line("soup", 1, "10")]}
    return record(store, "order.created", when, f"order-{number}", payload)


def payment(store: Store, reference: str, number: str, when: dt.datetime = NOON) -> NeuralEvent:
    payload = {"payment_id": reference, "order_id": number, "amount": "10"}
    return record(store, "payment.completed", when, f"pay-{reference}-{number}", payload)


def overlapping(first: NeuralEvent, second: NeuralEvent) -> None:
    """Handle the second while the first is handled and not yet committed."""
    while_uncommitted(lambda: handle(first), lambda: handle(second))


def test_two_orders_of_one_day_both_count(store):
    overlapping(order(store, "A1"), order(store, "A2"))
    assert demand(store) == {(MONDAY, "soup"): "2"}


def test_a_report_and_an_order_of_one_day_are_both_seen(store):
    report = record(
        store, "sales.reported", at(0), "report", {"day": MONDAY, "lines": [sold("tea", 5)]}
    )
    overlapping(order(store, "A1"), report)
    assert demand(store) == {(MONDAY, "soup"): "1", (MONDAY, "tea"): "5"}


def test_two_payments_of_an_order_that_nobody_knows_both_count(store):
    overlapping(payment(store, "P1", "A1"), payment(store, "P2", "A1"))
    assert Order.objects.get().paid == 20


def test_two_payments_of_an_order_that_is_known_both_count(store):
    handle(order(store, "A1"))
    overlapping(payment(store, "P1", "A1"), payment(store, "P2", "A1"))
    assert Order.objects.get().paid == 20


def test_a_payment_and_its_order_at_once_end_in_a_paid_order(store):
    overlapping(payment(store, "P1", "A1"), order(store, "A1"))
    placed = Order.objects.get()
    assert (placed.state, placed.total, placed.paid) == ("placed", 10, 10)


def test_payments_of_one_id_in_two_orders_at_once_are_both_kept(store):
    overlapping(payment(store, "P1", "A1", at(0)), payment(store, "P1", "A2", at(1)))
    assert {order.number: order.paid for order in Order.objects.all()} == {"A1": 10, "A2": 10}


@pytest.mark.parametrize("merged_first", [True, False])
def test_a_merge_and_the_payment_that_moves_with_it_at_once_end_in_a_payment_that_moved(
    store, merged_first
):
    handle(order(store, "A2"))
    handle(payment(store, "P1", "A1"), order(store, "A1"))
    merge = record(store, "order.merged", at(2), "merge", {"into": "A2", "orders": ["A1"]})
    both = (merge, payment(store, "P1", "A2", at(3)))
    overlapping(*(both if merged_first else reversed(both)))
    assert {order.number: order.paid for order in Order.objects.all()} == {"A1": 0, "A2": 10}


def test_a_dish_and_a_complete_menu_without_it_at_once_end_in_a_dish_that_is_not_available(store):
    older = record(store, "dish.updated", at(0), "dish", {"dish": "tea", "name": "Tea"})
    menu = record(store, "menu.updated", at(1), "menu", {"items": [], "complete": True})
    overlapping(older, menu)
    assert not Dish.objects.get().available


def test_both_sides_of_a_new_time_card_at_once_are_both_kept(store):
    of = {"timecard_id": "C1", "staff_id": "E1"}
    overlapping(
        record(store, "staff.clocked_in", at(0), "in", of),
        record(store, "staff.clocked_out", at(60), "out", of),
    )
    assert TimeCard.objects.get().hours == 1


def test_batches_that_meet_the_same_days_in_another_order_never_deadlock(store):
    days = at(0), at(24 * 60)

    def batch(name: str, moments: tuple[dt.datetime, ...]) -> list[NeuralEvent]:
        return [order(store, f"{name}{n}", moments[n % 2]) for n in range(10)]

    for turn in range(10):
        one, other = batch(f"one{turn}-", days), batch(f"other{turn}-", days[::-1])
        in_threads(lambda events=one: handle(*events), lambda events=other: handle(*events))
    assert demand(store) == {(MONDAY, "soup"): "100", (TUESDAY, "soup"): "100"}


@pytest.mark.parametrize("seed", range(5))
def test_four_workers_end_in_the_rows_of_one(store, seed):
    dice = random.Random(seed)
    events = [any_event(store, dice, f"event-{n}") for n in range(80)]
    with undone():
        for event in sorted(events, key=lambda event: event.version):
            handle(event)
        expected = rows()
    dice.shuffle(events)
    in_threads(*(lambda part=events[n::4]: [handle(event) for event in part] for n in range(4)))
    assert rows() == expected


def any_event(store: Store, dice: random.Random, event_id: str) -> NeuralEvent:
    number = dice.choice(("A1", "A2"))
    dishes = [line(dice.choice(("soup", "tea")), dice.randint(0, 3)) for _ in range(2)]
    one_of = {"payment_id": dice.choice(("P1", "P2")), "order_id": number, "amount": "1.5"}
    kind, payload = dice.choice(
        (
            ("order.updated", {"order_id": number, "lines": dishes}),
            ("order.cancelled", {"order_id": number}),
            ("payment.completed", one_of),
            ("payment.refunded", {**one_of, "refund_id": dice.choice(("R1", "R2"))}),
            ("sales.reported", {"day": MONDAY, "lines": [sold("soup", dice.randint(0, 9))]}),
            ("inventory.low", {"item": "flour", "level": dice.randint(0, 9), "threshold": 5}),
            ("inventory.updated", {"item": "flour", "level": dice.randint(0, 9)}),
            ("dish.updated", {"dish": "D1", "name": dice.choice(("soup", "tea"))}),
            ("menu.updated", {"items": [], "complete": dice.random() < 0.5}),
            ("delivery.updated", {"order_id": number, "status": "assigned"}),
        )
    )
    return record(store, kind, at(dice.randint(0, 2000)), event_id, payload)
