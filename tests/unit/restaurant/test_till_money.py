"""The money of orders as tills report it: what is owed, sold, paid out. The worked examples are
those of the common model."""

from decimal import Decimal

import pytest

from neural.models import Store
from neural.restaurant.models import DailyDemand, Order, OrderLine
from tests.unit.restaurant.history import line
from tests.unit.restaurant.till_story import (
    MONDAY,
    TUESDAY,
    Till,
    bill,
    counted,
    keys,
    local,
    the_order,
    the_payment,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def store() -> Store:
    return Store.objects.create(code="S1", time_zone="Asia/Shanghai")


@pytest.fixture
def till(store: Store) -> Till:
    return Till(store)


class TestWorkedExamples:
    def test_dine_in(self, till):
        lines = [
            line("beef", 2, "38"),
            line("rice", 3, "3"),
            line("fish", 1, "88"),
            line("spicy", 1, "6", role="modifier"),
            line("tea", 1, "18", state="gift"),
        ]
        entries = [
            bill("discount", "20"),
            bill("charge", "15.90", code="service"),
            bill("rounding", "-0.90"),
        ]
        till.order("17", lines=lines, bill=entries, total="174.00", currency="CNY")
        till.paid("17", "174")
        order = the_order()
        assert (order.total, order.balance, order.difference) == (174, 0, 0)
        assert (order.adds_up, order.unsettled) == (True, False)
        assert DailyDemand.objects.get(dish="tea").ordered_quantity == 1

    def test_platform(self, till):
        entries = [
            bill("charge", "2", code="packing"),
            bill("charge", "3", code="delivery", platform="3"),
            bill("discount", "10", platform="2"),
        ]
        till.order("17", 24, bill=entries, total="19", channel="delivery", platform="eleme")
        till.tell("settlement.stated", order_id="17", payout="15.30", commission="2.70")
        order = the_order()
        assert order.adds_up
        assert order.expected_payout == order.payout == Decimal("15.30")

    def test_partial_refund_by_line(self, till):
        lines = [line("a", 1, "60", line_id="1"), line("b", 1, "40", line_id="2")]
        till.order("17", lines=lines, bill=[bill("discount", "10")])
        till.paid("17", 90)
        till.refunded("17", 36, payment_id="P1", lines=[{"line_id": "2", "amount": "36"}])
        assert counted() == (90, 0, 54)
        assert the_payment("R1").lines == [{"line_id": "2", "amount": "36"}]
        assert DailyDemand.objects.get(dish="b").ordered_quantity == 1

    def test_split_between_a_card_with_a_tip_and_cash_with_change(self, till):
        till.order("17", 24, 18, 8, bill=[bill("tax", "4")])
        till.paid("17", 27, "P1", tender="card", tip="5")
        till.paid("17", 27, "P2", tender="cash", given="40")
        order = the_order()
        assert (order.total, order.balance, order.tips) == (54, 0, 5)
        assert the_payment("P2").change == 13
        assert the_payment("P1").change is None

    def test_reopened_with_the_same_id(self, till):
        till.order("17", 80, status="closed")
        till.paid("17", 80, "P1")
        till.order("17", 92, status="open")
        assert counted() == (92, 12, 92)
        till.paid("17", 12, "P2")
        assert counted() == (92, 0, 92)

    def test_reopened_with_a_new_id(self, till):
        till.order("T1", 80)
        till.paid("T1", 80, "P1")
        till.status("T1", "voided")
        till.order("T2", 92, replaces="T1")
        till.paid("T2", 92, "P2")
        assert the_order("T1").balance == -80
        till.refunded("T1", 80, kind="reversal")
        assert (the_order("T1").balance, the_order("T2").balance) == (0, 0)
        assert the_order("T2").replaces == "T1"

    def test_reuse_of_a_number_on_another_day(self, store):
        for day, amount in ((MONDAY, 56), (TUESDAY, 31)):
            till = Till(store, "T1", day)
            till.order("A-17", amount, placed_at=str(local(day, "12:00")))
            till.paid("A-17", amount)
        assert keys() == ["/T1/2026-03-02/A-17", "/T1/2026-03-03/A-17"]
        assert [order.balance for order in Order.objects.all()] == [0, 0]
        assert {str(order) for order in Order.objects.all()} == {"A-17"}
        assert OrderLine.objects.count() == 2


class TestOwed:
    @pytest.mark.parametrize("status", ["pending", "failed", "cancelled"])
    def test_only_a_completed_payment_counts(self, till, status):
        till.order("17", 50)
        till.paid("17", 50, status=status, tip="3")
        order = the_order()
        assert (order.paid, order.tips, order.balance, order.unsettled) == (0, 0, 50, True)

    def test_a_pending_payment_counts_once_it_is_completed(self, till):
        till.order("17", 50)
        till.paid("17", 50, status="pending")
        till.paid("17", 50, status="completed")
        assert the_order().balance == 0

    def test_on_account_settles_the_bill(self, till):
        till.order("17", 50)
        till.paid("17", 50, tender="on_account")
        assert (the_order().balance, the_order().unsettled) == (0, False)

    def test_several_tenders_add_up(self, till):
        till.order("17", 100)
        for number, tender in enumerate(("cash", "stored_value", "points", "voucher", "wechat")):
            till.paid("17", 20, f"P{number}", tender=tender)
        assert the_order().balance == 0

    def test_a_top_up_of_a_card_is_owed_and_is_no_demand(self, till):
        till.order("17", lines=[line("card", 1, "200", role="deferred"), line("tea", 1, "8")])
        assert (the_order().total, the_order().deferred) == (208, 200)
        assert [row.dish for row in DailyDemand.objects.all()] == ["tea"]

    def test_a_return_out_of_goodwill_does_not_make_the_guest_owe_it(self, till):
        till.order("17", 100)
        till.paid("17", 100)
        till.refunded("17", 30)
        assert counted() == (100, 0, 70)

    def test_a_payment_that_is_undone_is_owed_again(self, till):
        till.order("17", 100)
        till.paid("17", 100)
        till.refunded("17", 100, kind="reversal")
        assert counted() == (100, 100, 100)

    def test_a_refund_of_the_first_version_undoes_its_payment(self, till):
        till.order("17", 100)
        till.paid("17", 100)
        told = {"refund_id": "R1", "payment_id": "P1", "order_id": "17", "amount": "100"}
        till.tell("payment.refunded", **told)
        assert counted() == (100, 100, 100)

    @pytest.mark.parametrize("kind", ["return", "reversal"])
    @pytest.mark.parametrize("cancelled_first", [True, False])
    def test_a_refund_of_a_cancelled_order_undoes_its_payment(self, till, kind, cancelled_first):
        till.order("17", 100)
        till.paid("17", 100)
        if cancelled_first:
            till.status("17", "cancelled")
        till.refunded("17", 100, kind=kind)
        if not cancelled_first:
            till.status("17", "cancelled")
        assert counted() == (100, 0, 0)
        assert (the_order().returned, the_order().unsettled) == (0, False)

    def test_it_is_a_return_again_when_the_order_stands_again(self, till):
        till.order("17", 100)
        till.paid("17", 100)
        till.refunded("17", 30)
        till.status("17", "cancelled")
        till.order("17", 100)
        assert counted() == (100, 0, 70)

    def test_a_tip_that_is_returned_is_no_tip(self, till):
        till.order("17", 100)
        till.paid("17", 100, tip="10")
        till.refunded("17", 0, tip="4")
        assert the_order().tips == 6

    def test_a_payment_in_another_currency_is_kept_and_not_added_up(self, till):
        till.paid("17", 0, tip="5", currency="USD")
        till.order("17", 100, currency="CNY")
        assert (the_order().paid, the_order().tips) == (0, 0)


class TestDoesNotAddUp:
    def test_a_stated_total_that_does_not_add_up_is_kept_flagged_and_findable(self, till):
        till.order("17", 50, total="45")
        till.order("18", 50, total="50")
        (found,) = Order.objects.not_adding_up()
        assert (found.key, found.total, found.difference) == ("17", 45, -5)

    def test_it_is_found_no_longer_once_it_adds_up(self, till):
        till.order("17", 50, total="45")
        till.order("17", 50, bill=[bill("discount", "5")], total="45")
        assert not Order.objects.not_adding_up().exists()

    def test_what_is_owed_is_found(self, till):
        till.order("17", 50)
        till.order("18", 50)
        till.paid("18", 50)
        assert [order.key for order in Order.objects.unsettled()] == ["17"]

    def test_the_newest_settlement_counts(self, till):
        till.order("17", 50)
        till.tell(
            "settlement.stated", local(TUESDAY, "02:00"), order_id="17", payout="40", final=True
        )
        till.tell("settlement.stated", local(MONDAY, "23:00"), order_id="17", payout="39")
        assert (the_order().payout, the_order().payout_is_final) == (40, True)

    def test_an_unknown_field_of_a_bills_entry_stays_with_its_event(self, till):
        till.order("17", 50, bill=[bill("charge", "5", code="service", phone="13800000000")])
        assert the_order().bill == [{"kind": "charge", "amount": "5", "code": "service"}]
