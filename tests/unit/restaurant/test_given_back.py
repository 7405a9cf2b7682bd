"""What was given back never passes what was paid without a mark."""

from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from neural.models import Store
from neural.restaurant.admin.receipt import owed
from neural.restaurant.models import Order, OrderState, Payment
from tests.unit.restaurant.history import line
from tests.unit.restaurant.till_story import Till, the_order, the_payment
from tests.unit.side_by_side import on_postgresql, while_uncommitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def till() -> Till:
    return Till(Store.objects.create(code="S1", time_zone="Asia/Shanghai"))


def given_back() -> tuple[Decimal, Decimal, Decimal, bool]:
    """Paid, refunded, still owed, and whether the order is marked."""
    order = the_order()
    return (order.paid, order.refunded, order.balance, order.unsettled)


class TestARefundOfTheWholeOrder:
    @pytest.mark.parametrize("stated", [30, 15])
    def test_it_gives_back_what_a_part_left_whether_it_states_all_or_the_rest(self, till, stated):
        till.order("17", 30, currency="CNY")
        till.paid("17", 30)
        till.refunded("17", 15, "part")
        till.refunded("17", stated, "all", whole=True)
        till.status("17", "cancelled")
        assert given_back() == (30, 30, 0, False)
        assert (the_payment("all").amount, the_payment("all").stated_amount) == (15, stated)

    def test_a_part_that_comes_later_or_fails_later_changes_what_it_gives_back(self, till):
        till.order("17", 30)
        till.paid("17", 30)
        till.refunded("17", 30, "all", whole=True)
        assert the_payment("all").amount == 30
        till.refunded("17", 15, "part")
        assert the_payment("all").amount == 15
        till.refunded("17", 15, "part", status="failed")
        assert the_payment("all").amount == 30
        assert given_back() == (30, 30, 0, False)

    def test_without_its_payment_it_gives_back_what_it_states_less_the_part(self, till):
        till.refunded("17", 15, "part")
        till.refunded("17", 30, "all", whole=True)
        assert the_order().refunded == 30
        till.paid("17", 30)
        till.order("17", 30)
        assert given_back() == (30, 30, 0, False)

    def test_one_that_states_more_than_was_paid_is_marked_and_not_cut(self, till):
        till.order("17", 30)
        till.paid("17", 30)
        till.refunded("17", 42, "all", whole=True)
        assert given_back() == (30, 42, 0, True)

    def test_two_of_them_give_back_once(self, till):
        till.order("17", 30)
        till.paid("17", 30)
        till.refunded("17", 30, "one", whole=True)
        till.refunded("17", 30, "two", whole=True)
        assert given_back() == (30, 30, 0, False)


class TestMarks:
    def test_a_return_above_what_was_paid_marks_the_order_and_its_page_says_so(self, till):
        till.order("17", 30)
        till.paid("17", 30)
        till.refunded("17", 30, "R1")
        assert given_back() == (30, 30, 0, False)
        till.refunded("17", 12, "R2")
        assert given_back() == (30, 42, 0, True)
        assert list(Order.objects.unsettled()) == [the_order()]
        assert the_order().overreturned == 12
        assert owed(the_order())[-1].amount == 0

    def test_a_tip_may_go_back_within_the_amount_of_a_refund(self, till):
        till.order("17", 27)
        till.paid("17", 27, tip="5")
        till.refunded("17", 32, "R1")
        assert given_back() == (27, 32, 0, False)
        till.refunded("17", 1, "R2")
        assert given_back() == (27, 33, 0, True)

    def test_goods_that_were_taken_back_for_less_may_be_worth_more_than_was_paid(self, till):
        taken_back = line("pot", 1, "30", state="returned")
        till.order("17", lines=[line("tea set", 1, "25"), taken_back])
        till.refunded("17", 5)
        assert given_back() == (0, 5, 0, False)
        till.refunded("17", 1, "R2")
        assert given_back() == (0, 6, 0, True)

    @pytest.mark.parametrize("currency", ["JPY", ""])
    def test_money_with_digits_that_its_currency_lacks_is_marked(self, till, currency):
        half = {"lines": [line("tuna", 1, "1079.5", amount="1079.5")], "total": "1079.5"}
        till.order("17", currency="JPY", **half)
        assert the_order().has_odd_digits
        till.paid("17", "1079.5", currency=currency)
        assert given_back() == (Decimal("1079.5"), 0, 0, True)
        till.order("17", 1080, currency="JPY")
        till.paid("17", 1080)
        assert given_back() == (1080, 0, 0, False)

    def test_what_counts_nowhere_costs_nothing_that_could_be_marked(self, till):
        till.order("17", lines=[line("tuna", 1, "1", amount="1079.5")], currency="JPY")
        till.status("17", "voided")
        assert not the_order().unsettled


class TestCancellations:
    def test_no_platform_takes_one_back_by_an_older_state_with_a_later_time(self, till):
        till.paid("17", 30)
        till.status("17", "cancelled")
        till.order("17", 30, platform="eleme", status="accepted")
        till.refunded("17", 15, "part")
        till.refunded("17", 30, "all", whole=True)
        assert given_back() == (30, 30, 0, False)
        order = the_order()
        assert (order.state, order.display_status) == (OrderState.CANCELLED, "cancelled")
        assert (order.net, order.returned) == (0, 0)

    @pytest.mark.parametrize(("status", "platform"), [("rejected", "eleme"), ("cancelled", "")])
    def test_a_till_takes_one_back_and_so_does_who_rejected_an_order(self, till, status, platform):
        till.status("17", status)
        till.order("17", 30, platform=platform, status="accepted")
        assert the_order().state == OrderState.PLACED


def test_payments_of_the_first_version_keep_their_amounts(till):
    till.tell("payment.completed", payment_id="P1", order_id="17", amount="30")
    told = {"refund_id": "R1", "payment_id": "P1", "order_id": "17", "amount": "30"}
    till.tell("payment.refunded", **told)
    assert not Payment.objects.exclude(stated_amount=None)


# The upgrade

migration = import_module("neural.restaurant.migrations.0007_whole_refunds_and_six_places")


def upgrade() -> None:
    migration.mark_orders(apps, SimpleNamespace(connection=connection))


def as_release_0_1_0() -> None:
    """It had no mark for what was given back, and did not keep what exchanges took back."""
    Order.objects.update(unsettled=False, exchanged=0)


@pytest.fixture
def exchanges(till) -> None:
    """Two exchanges for 0.10 less; of one, 0.20 was given back. The till's discount of a line is
    in its amount."""
    for key, back in (("exchange", "0.1"), ("above", "0.2")):
        pot = line("pot", 1, "30.1", state="returned")
        lines = [line("cup", 2, "12.6", discount="0.2"), line("tea", 1, "5"), pot]
        till.order(key, lines=lines)
        till.refunded(key, back, f"of {key}")


@pytest.mark.usefixtures("exchanges")
def test_the_upgrade_marks_what_was_given_back_before_but_no_exchange(till):
    till.order("over", 30)
    till.paid("over", 30)
    till.refunded("over", 42, "R1")
    till.order("even", "0.8")
    till.paid("even", "0.7", "P2", tip="0.1")
    till.paid("even", "0.1", "P3")
    till.refunded("even", "0.9", "R2")
    today = [order.exchanged for order in Order.objects.order_by("key")]
    as_release_0_1_0()

    upgrade()

    assert [order.key for order in Order.objects.unsettled().order_by("key")] == ["above", "over"]
    assert [order.exchanged for order in Order.objects.order_by("key")] == today


@pytest.mark.usefixtures("exchanges")
def test_an_exchange_before_the_upgrade_stays_settled_when_something_follows(till):
    as_release_0_1_0()
    upgrade()

    till.status("exchange", "closed")
    till.refunded("exchange", "0.1", "of exchange")

    assert the_order("exchange").exchanged == Decimal("0.1")
    assert not the_order("exchange").unsettled


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_the_upgrade_waits_for_orders_that_workers_hold_one_by_one(till):
    for key in ("17", "18"):
        till.order(key, 30)
        till.paid(key, 30, f"P{key}")
        till.refunded(key, 42, f"R{key}")
    as_release_0_1_0()

    def undone_in_turn() -> None:
        for key in ("18", "17"):
            till.refunded(key, 30, f"R{key}")

    while_uncommitted(undone_in_turn, upgrade)

    assert not Order.objects.unsettled()
