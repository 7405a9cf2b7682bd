"""Ids and numbers that are given twice: whatever arrives first, the end is the same and is seen.

Each story is told in every order of arrival.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from neural.models import NeuralEvent, Store
from neural.restaurant.models import Order, Payment
from neural.restaurant.models.claims import MOST_CLAIMS, claim, with_claims
from neural.restaurant.models.newest import version_of
from neural.restaurant.totals import recompute_money
from tests.unit.admin import admin_world as world
from tests.unit.restaurant.history import at, handle, line, record, rows, undone

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

TEN, NOON = "2026-03-02T10:00:00+08:00", "2026-03-02T12:00:00+08:00"
Told = tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], str]
"""A type, a payload, and the source if it is not the till. What is told later is newer."""


@pytest.fixture
def store() -> Store:
    return Store.objects.create(code="S1", time_zone="Asia/Shanghai")


def order(order_id: str, price: int, **more: Any) -> tuple[str, dict[str, Any]]:
    lines = [line(f"dish {price}", 1, str(price))]
    return "order.stated", {"order_id": order_id, "lines": lines, **more}


def paid(order_id: str, amount: int, payment_id: str = "1", **more: Any) -> Told:
    told = {"order_id": order_id, "payment_id": payment_id, "amount": str(amount), **more}
    return "payment.stated", told


def status(order_id: str, status: str, **more: Any) -> Told:
    return "order.status_changed", {"order_id": order_id, "status": status, **more}


def in_every_order(store: Store, story: Sequence[Told], holds: Callable[[], bool]) -> None:
    """The rows are the same, and so is what holds, in whatever order the events arrive."""
    events = [recorded(store, place, *told) for place, told in enumerate(story)]
    in_every_order_of(events, holds)


def in_every_order_of(events: Sequence[NeuralEvent], holds: Callable[[], bool]) -> None:
    ends = []
    for arrival in permutations(events):
        with undone():
            for event in arrival:
                handle(event)
            assert holds(), [event.event_id for event in arrival]
            ends.append(rows())
    assert all(end == ends[0] for end in ends)


def recorded(
    store: Store, place: int, kind: str, payload: dict[str, Any], source: str = "till"
) -> NeuralEvent:
    return record(store, kind, at(place), f"event-{place}", payload, source=source)


def due(key: str) -> Any:
    return Order.objects.get(key=key).balance


def given_twice() -> list[str]:
    return [each.key for each in Order.objects.given_twice().order_by("key")]


# Payments


def test_payments_numbered_in_each_bill_are_payments_of_their_bills(store):
    story = [order("17", 30), order("18", 40), paid("17", 30), paid("18", 40)]
    in_every_order(store, story, lambda: (due("17"), due("18")) == (0, 0))


def test_a_payment_of_a_wrong_order_is_cancelled_there(store):
    wrong = [paid("17", 30), paid("17", 30, status="cancelled"), paid("18", 30)]
    story = [order("17", 30), order("18", 30), *wrong]
    in_every_order(store, story, lambda: (due("17"), due("18")) == (30, 0))


@pytest.mark.parametrize("ticket", [{}, {"till": "T1"}, {"till": "T1", "day": "2026-03-02"}])
def test_a_payment_of_a_merged_order_moves_to_the_surviving_one(store, ticket):
    merge = ("order.merged", {"into": "18", "orders": ["17"]})
    story = [order("17", 30), paid("17", 30), merge, order("18", 70), paid("18", 30)]
    before = f"/{'/'.join(ticket.values())}/" if ticket else ""
    in_every_order(
        store,
        [(kind, {**payload, **ticket}) for kind, payload in story],
        lambda: (
            (due(f"{before}17"), due(f"{before}18"), Payment.objects.counting().count())
            == (0, 40, 1)
        ),
    )


def test_a_payment_moves_back_when_the_merge_is_taken_back(store):
    merge = ("order.merged", {"into": "18", "orders": ["17"]})
    story = [paid("17", 30), paid("18", 30), merge, order("17", 30), order("18", 30)]
    in_every_order(store, story, lambda: (due("17"), due("18")) == (0, 0))


def test_money_of_two_orders_that_were_merged_into_each_other_is_somewhere(store):
    merges = [("order.merged", {"into": a, "orders": [b]}) for a, b in (("17", "18"), ("18", "17"))]
    story = [*merges, paid("17", 30), paid("18", 30)]
    in_every_order(store, story, lambda: (due("17"), due("18")) == (-30, -30))


@pytest.fixture
def daily(store: Store) -> Store:
    store.daily_tickets_since = dt.date(2026, 3, 1)
    store.save()
    return store


def at_once(store: Store, day: int, kind: str, payload: dict[str, Any], hour: int = 4) -> Any:
    """An event of so many days after Monday that was recorded when it occurred."""
    when = dt.datetime(2026, 3, 2 + day, hour, tzinfo=dt.UTC)
    event = record(store, kind, when, f"{kind}-{day}-{hour}", payload)
    NeuralEvent.objects.filter(pk=event.pk).update(recorded_at=when)
    return NeuralEvent.objects.select_related("store").get(pk=event.pk)


def test_a_payment_without_a_time_belongs_to_the_order_that_is_open(daily):
    events = [
        at_once(daily, 0, *order("A-17", 30)),
        at_once(daily, 1, *paid("A-17", 30), hour=2),
        at_once(daily, 1, *order("A-17", 40)),
    ]
    in_every_order_of(
        events, lambda: (due("//2026-03-02/A-17"), due("//2026-03-03/A-17")) == (0, 40)
    )


def test_an_order_that_was_named_only_by_such_payments_is_gone(daily):
    events = [
        at_once(daily, 0, *order("A-17", 30)),
        at_once(daily, 1, *paid("A-17", 30, status="pending"), hour=2),
        at_once(daily, 1, *paid("A-17", 30), hour=3),
    ]
    keys = Order.objects.values_list("key", flat=True)
    in_every_order_of(events, lambda: [*keys.all()] == ["//2026-03-02/A-17"])


def test_it_belongs_to_todays_order_once_that_is_placed_or_none_is_open(daily):
    events = [
        at_once(daily, 0, *order("A-17", 30)),
        at_once(daily, 0, *paid("A-17", 30), hour=5),
        at_once(daily, 1, *paid("A-17", 40), hour=5),
        at_once(daily, 1, *order("A-17", 40)),
    ]
    in_every_order_of(
        events, lambda: (due("//2026-03-02/A-17"), due("//2026-03-03/A-17")) == (0, 0)
    )


def test_money_of_many_daily_tickets_takes_as_many_statements_as_that_of_one(daily):
    for hour, number in enumerate(("A-17", "A-18", "A-19")):
        handle(at_once(daily, 0, *order(number, 30), hour=hour))
        handle(at_once(daily, 1, *paid(number, 30), hour=hour))
    orders = [*Order.objects.order_by("pk").values_list("pk", flat=True)]

    def statements(orders: list[int]) -> int:
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            recompute_money(orders)
        return len(queries)

    assert [due(f"//2026-03-02/A-{number}") for number in (17, 18, 19)] == [0, 0, 0]
    assert statements(orders) == statements(orders[:1])


# Orders


def test_a_ticket_at_noon_after_the_same_one_at_ten_is_marked(store):
    of = {"till": "T1", "day": "2026-03-02"}
    story = [order("1", 30, placed_at=TEN, **of), order("1", 40, placed_at=NOON, **of)]
    in_every_order(store, story, lambda: given_twice() == ["/T1/2026-03-02/1"])


def test_a_ticket_that_is_placed_after_it_was_closed_is_marked_however_soon(store):
    later = "2026-03-02T10:30:00+08:00"
    closed = {"status": "closed", "closed_at": "2026-03-02T10:15:00+08:00"}
    story = [
        order("1", 30, placed_at=TEN, till="T1", **closed),
        order("1", 40, placed_at=later, till="T1"),
        order("1", 41, till="T1"),
        paid("1", 30, till="T1"),
    ]
    in_every_order(store, story, lambda: given_twice() == ["/T1/1"])


def test_a_corrected_time_and_a_reopened_order_are_not_marked(store):
    soon = "2026-03-02T10:05:00+08:00"
    story = [
        order("1", 30, placed_at=TEN),
        order("1", 30, placed_at=soon),
        status("1", "closed"),
        order("1", 40, placed_at=soon),
    ]
    in_every_order(store, story, lambda: given_twice() == [])


def test_a_number_from_two_sources_without_a_till_is_marked(store):
    story = [(*order("17", 30), "pos"), (*order("17", 40), "kiosk"), (*order("17", 31), "pos")]
    in_every_order(store, story, lambda: given_twice() == ["17"])


def test_a_till_may_send_through_two_sources(store):
    story = [(*order("17", 30, till="T1"), "pos"), (*order("17", 40, till="T1"), "relay")]
    in_every_order(store, story, lambda: given_twice() == [])


def test_a_payment_from_another_source_is_no_sign_of_another_order(store):
    story = [(*order("17", 30), "pos"), (*paid("17", 30), "terminal")]
    in_every_order(store, story, lambda: given_twice() == [])


def test_an_order_names_the_newest_event_of_each_contradicting_statement(store):
    story = [(*order("17", 30), "pos"), (*order("17", 40), "kiosk"), (*order("17", 31), "pos")]
    claims = [
        {"about": "source", "says": says, "source": says, "event_id": event_id, "at": when}
        for says, event_id, when in (
            ("kiosk", "event-1", at(1).isoformat()),
            ("pos", "event-2", at(2).isoformat()),
        )
    ]
    in_every_order(store, story, lambda: Order.objects.get().claims == claims)


def test_of_a_number_that_is_given_every_day_the_latest_claims_are_kept(store):
    version = version_of(recorded(store, 0, *order("17", 1)))
    days = [(dt.date(2026, 1, 1) + dt.timedelta(number)).isoformat() for number in range(30)]
    kept = []
    for day in days:
        kept = with_claims(kept, [claim("placed_at", f"{day}T12:00:00+00:00", version)])
    assert [each["says"][:10] for each in kept] == days[-MOST_CLAIMS:]


# What people see


def test_the_page_of_an_order_leads_to_what_was_overwritten(store):
    for place, told in enumerate((order("17", 30, placed_at=TEN), order("17", 40, placed_at=NOON))):
        handle(recorded(store, place, *told))
    client = world.superuser()
    page = client.get(world.page_of(Order.objects.get())).content.decode()
    assert "its number was probably given to two orders" in page
    assert "event-0" in page
    assert "placed at 2026-03-02 10:00:00" in page
    listed = client.get(world.list_of("order") + "?twice=1").content.decode()
    assert "number given twice" in listed


def test_the_page_of_an_order_that_is_owed_names_other_orders_with_the_payments_id(store):
    for place, told in enumerate((order("17", 30), paid("17", 20), order("18", 5), paid("18", 5))):
        handle(recorded(store, place, *told))
    client = world.superuser()
    owed, even = (
        client.get(world.page_of(Order.objects.get(key=key))).content.decode()
        for key in ("17", "18")
    )
    assert "the same id also in order" in owed
    assert "the same id also in order" not in even
