"""Which order an event of a till is about: told by the event alone, and kept apart where it cannot
be told."""

import datetime as dt

import pytest

from neural.models import Store
from neural.restaurant.models import Order, OrderState, Payment
from tests.unit.restaurant.history import line
from tests.unit.restaurant.till_story import (
    MONDAY,
    TUESDAY,
    Till,
    keys,
    local,
    the_order,
    the_payment,
)

pytestmark = pytest.mark.django_db

NEXT_WEEK = local(MONDAY + dt.timedelta(days=7), "12:00")


@pytest.fixture
def store() -> Store:
    """A store on UTC+8 whose business day ends at two in the morning."""
    return Store.objects.create(code="S1", time_zone="Asia/Shanghai", day_ends_at=dt.time(2))


@pytest.fixture
def daily(store: Store) -> Store:
    """The store, whose order numbers begin again every day since Monday."""
    store.daily_tickets_since = MONDAY
    store.save()
    return store


class TestTickets:
    """Tills that state till and day."""

    def test_a_late_update_stays_on_its_own_day(self, store):
        yesterday, today = Till(store, "T1", MONDAY), Till(store, "T1", TUESDAY)
        yesterday.order("A-17", 10, placed_at=str(local(MONDAY, "21:00")))
        today.tell("order.stated", local(TUESDAY, "09:00"), order_id="A-17", lines=[line("tea")])
        yesterday.tell(
            "order.stated", local(TUESDAY, "00:40"), order_id="A-17", lines=[line("soup")]
        )
        assert keys() == ["/T1/2026-03-02/A-17", "/T1/2026-03-03/A-17"]
        assert [each.dish for each in the_order("/T1/2026-03-02/A-17").lines.all()] == ["soup"]
        assert the_order("/T1/2026-03-02/A-17").business_day == MONDAY

    def test_a_payment_after_midnight_and_a_refund_next_week_reach_their_order(self, store):
        till = Till(store, "T1", MONDAY)
        till.order("A-17", 10)
        till.paid("A-17", 10, when=local(TUESDAY, "03:00"))
        till.refunded("A-17", 4, when=NEXT_WEEK, business_day="2026-03-09")
        (order,) = Order.objects.all()
        assert (order.paid, order.returned, order.business_day) == (10, 4, MONDAY)
        assert str(Payment.objects.get(kind="refund").business_day) == "2026-03-09"

    def test_two_tills_that_both_send_17_are_two_orders(self, store):
        for name in ("T1", "T2"):
            till = Till(store, name)
            till.order("17", 10)
            till.paid("17", 10)
        assert keys() == ["/T1/17", "/T2/17"]
        assert [order.paid for order in Order.objects.all()] == [10, 10]
        assert sorted(Payment.objects.values_list("key", flat=True)) == ["/T1/P1", "/T2/P1"]

    def test_payments_of_two_days_may_have_one_id(self, store):
        for day in (MONDAY, TUESDAY):
            Till(store, "T1", day).paid("A-17", 10)
        assert Payment.objects.count() == 2

    def test_a_payment_of_a_wrong_order_is_cancelled_there_and_stated_for_the_right_one(
        self, store
    ):
        till = Till(store, "T1")
        till.paid("17", 10)
        till.paid("17", 10, status="cancelled")
        till.paid("18", 10)
        assert (the_order("/T1/17").paid, the_order("/T1/18").paid) == (0, 10)

    def test_payments_that_are_numbered_in_each_bill_stay_with_their_bills(self, store):
        till = Till(store, "T1")
        for number in range(1, 45):
            till.order(f"B{number}", number)
            till.paid(f"B{number}", number, "1")
        assert not Order.objects.unsettled().exists()

    def test_people_read_the_ticket_or_else_the_id(self, store):
        till = Till(store, "T1")
        till.order("3f2a9c", 10, ticket="A-17")
        till.paid("b71e", 10)
        assert {str(order) for order in Order.objects.all()} == {"A-17", "b71e"}
        assert {order.till for order in Order.objects.all()} == {"T1"}

    def test_ids_with_signs_of_keys_name_orders_of_their_own(self, store):
        Till(store, "T1").order("17", 10)
        Till(store).order("T1/17", 20)
        assert keys() == ["/T1/17", "T1/17"]
        assert {str(order) for order in Order.objects.all()} == {"17", "T1/17"}

    @pytest.mark.parametrize("told_first", ["payment", "status", "settlement", "merge"])
    def test_an_expected_order_of_a_ticket_has_its_day(self, store, told_first):
        till = Till(store, "T1", TUESDAY)
        if told_first == "payment":
            till.paid("A-17", 10)
        elif told_first == "status":
            till.status("A-17", "open")
        elif told_first == "settlement":
            till.tell("settlement.stated", order_id="A-17", payout="8")
        else:
            till.tell("order.merged", into="A-18", orders=["A-17"])
        order = the_order("/T1/2026-03-03/A-17")
        assert (order.business_day, order.till, order.number) == (TUESDAY, "T1", "A-17")

    def test_longest_ids_are_kept(self, store):
        till = Till(store, "/" * 60, MONDAY)
        till.status("%" * 100, "open")
        till.paid("%" * 100, 10, "/" * 100)
        till.order("%" * 100, 10, ticket="茶" * 100, split_from="/" * 100)
        (order,) = Order.objects.all()
        assert (order.business_day, order.balance) == (MONDAY, 0)


class TestBusinessDay:
    def test_it_is_the_stated_one_else_that_of_the_promised_else_of_the_placed_time(self, store):
        till = Till(store)
        placed = {"placed_at": "2026-03-02T20:00:00"}
        promised = {"promised_at": "2026-03-04T12:00:00"}
        till.order("1", 10, **placed)
        till.order("2", 10, **placed, **promised)
        till.order("3", 10, **placed, **promised, business_day="2026-03-05")
        days = [str(order.business_day) for order in Order.objects.order_by("key")]
        assert days == ["2026-03-02", "2026-03-04", "2026-03-05"]

    def test_an_order_that_only_its_payments_are_known_of_is_on_their_earliest_day(self, store):
        till = Till(store)
        till.paid("17", 10, "P1", when=local(TUESDAY, "12:00"))
        till.paid("17", 10, "P2", when=local(MONDAY, "12:00"))
        assert the_order().business_day == MONDAY

    @pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns"])
    def test_a_store_may_be_in_an_odd_time_zone(self, zone):
        till = Till(Store.objects.create(code="S2", time_zone=zone, day_ends_at=dt.time(4)))
        till.order("1", 10, placed_at="2026-03-03T03:59:00")
        till.order("2", 10, placed_at="2026-03-03T04:00:00")
        days = [order.business_day for order in Order.objects.order_by("key")]
        assert days == [MONDAY, TUESDAY]


def created(till: Till, when: dt.datetime, **more) -> None:
    till.tell("order.created", when, order_id="A-17", lines=[line("tea", 1, "10")], **more)


def old_payment(till: Till, when: dt.datetime) -> None:
    till.tell("payment.completed", when, order_id="A-17", payment_id="P1", amount="10")


class TestPayloadsOfTheFirstVersion:
    def test_a_store_whose_numbers_never_begin_again_has_one_order_of_a_number(self, store):
        created(Till(store), local(MONDAY, "12:00"))
        created(Till(store), local(TUESDAY, "12:00"))
        assert keys() == ["A-17"]

    def test_with_daily_tickets_the_time_of_placing_decides(self, daily):
        till = Till(daily)
        created(till, local(MONDAY, "21:00"), placed_at=str(local(MONDAY, "21:00")))
        created(till, local(TUESDAY, "03:00"), placed_at=str(local(MONDAY, "21:00")))
        assert keys() == ["//2026-03-02/A-17"]

    def test_without_it_the_time_of_the_event_decides(self, daily):
        till = Till(daily)
        created(till, local(MONDAY, "12:00"))
        created(till, local(TUESDAY, "01:59"))
        created(till, local(TUESDAY, "02:00"))
        assert keys() == ["//2026-03-02/A-17", "//2026-03-03/A-17"]

    def test_days_before_keep_the_plain_number(self, daily):
        created(Till(daily), local(MONDAY, "01:59"))
        old_payment(Till(daily), local(MONDAY, "01:59"))
        assert keys() == ["A-17"]
        assert the_payment("P1").order == the_order("A-17")

    def test_a_payment_and_a_cancellation_of_the_day_reach_their_order(self, daily):
        till = Till(daily)
        created(till, local(MONDAY, "12:00"))
        old_payment(till, local(MONDAY, "13:00"))
        till.tell("order.cancelled", local(MONDAY, "14:00"), order_id="A-17", reason="guest left")
        (order,) = Order.objects.all()
        assert (order.paid, order.cancel_reason, order.number) == (10, "guest left", "A-17")

    def test_a_payment_that_misses_its_order_is_kept_apart_and_listed(self, daily):
        till = Till(daily)
        created(till, local(MONDAY, "12:00"))
        old_payment(till, local(TUESDAY, "12:00"))
        (apart,) = Order.objects.apart()
        assert (apart.key, apart.state) == ("//2026-03-03/A-17", OrderState.EXPECTED)
        assert (apart.paid, apart.business_day) == (10, TUESDAY)
        assert the_order("//2026-03-02/A-17").paid == 0

    def test_tomorrows_order_of_that_number_takes_it_from_the_list(self, daily):
        till = Till(daily)
        old_payment(till, local(TUESDAY, "12:00"))
        created(till, local(TUESDAY, "11:00"))
        assert not Order.objects.apart().exists()

    def test_a_till_that_states_itself_needs_no_day(self, daily):
        Till(daily, "T1").order("3f2a9c", 10)
        assert keys() == ["/T1/3f2a9c"]

    def test_a_stated_business_day_decides_where_neither_till_nor_day_is(self, daily):
        till = Till(daily)
        till.tell(
            "order.stated",
            local(TUESDAY, "03:00"),
            order_id="A-17",
            lines=[],
            business_day=str(MONDAY),
        )
        assert keys() == ["//2026-03-02/A-17"]

    def test_a_ticket_with_a_day_meets_the_same_one_of_the_first_version(self, daily):
        created(Till(daily), local(MONDAY, "12:00"))
        Till(daily, day=MONDAY).paid("A-17", 10)
        (order,) = Order.objects.all()
        assert order.paid == 10
