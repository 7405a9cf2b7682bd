"""What a platform pushes of an order ends in the same rows, in whatever order it arrives."""

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any, ClassVar

import pytest

from neural.events.submit import submit_many
from neural.hooks.platforms.base import Translated
from neural.models import Store
from neural.restaurant.days.sums import tills_of
from neural.restaurant.models import Order, Payment
from neural.worker.in_process import run_due
from tests.unit.platforms import deliverect, eleme, keruyun, meituan, square, toast
from tests.unit.platforms.case import PlatformCase, Pushed
from tests.unit.platforms.every import each_platform, named, translated
from tests.unit.restaurant.history import rows, undone

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

Pushes = Sequence[Sequence[Translated]]


@pytest.fixture(autouse=True)
def store() -> Store:
    return Store.objects.create(code="S1", time_zone="Asia/Shanghai")


def arrive(case: PlatformCase, pushes: Pushes, *, at_once: int = 1) -> None:
    """Each push is translated in a run of its own; workers take so many of them together."""
    for number, events in enumerate(pushes, start=1):
        answers = submit_many(
            {
                "type": each.type,
                "store": "S1",
                "source": case.name,
                "event_id": each.event_id,
                "payload": each.payload,
                "occurred_at": each.occurred_at,
            }
            for each in events
        )
        assert not [answer.problems for answer in answers if answer.is_refused]
        if number % at_once == 0 or number == len(pushes):
            assert not [each.exception for each in run_due() if each.exception]


def of(case: PlatformCase, *names: str) -> list[list[Translated]]:
    return [translated(case, named(case, name)) for name in names]


def the_order(key: str) -> Order:
    return Order.objects.get(key=key)


@each_platform
def test_shuffled_and_repeated_pushes_end_in_the_same_rows(case):
    pushes = [translated(case, pushed) for pushed in case.pushes]
    with undone():
        arrive(case, pushes, at_once=len(pushes))
        expected = rows()
    assert expected["Order"]
    for seed in range(3):
        chance = random.Random(seed)
        shuffled = pushes + chance.choices(pushes, k=3)
        chance.shuffle(shuffled)
        with undone():
            arrive(case, shuffled, at_once=chance.choice((2, 3)))
            found = rows()
        assert found == expected, seed


def summed(key: str) -> tuple[str, Any, Any, bool]:
    order = the_order(key)
    return (order.status, order.balance, order.net, order.adds_up)


def test_a_square_order_is_paid_and_partly_refunded():
    names = (
        "an order that is open",
        "a payment by card, with its order",
        "a refund, by its payment",
    )
    arrive(square.CASE, of(square.CASE, *names))
    key = "/square/eA3vssLHKJrv9H0IdJCM3gNqfdcZY"
    assert summed(key) == ("closed", 0, Decimal("20.83"), True)
    assert the_order(key).tips == 3


def test_an_exchange_of_square_is_settled_by_what_was_returned_and_paid():
    arrive(square.CASE, of(square.CASE, "an exchange", "the payment of an exchange"))
    assert summed("/square/EXCHANGE") == ("closed", 0, 4, True)
    lines = the_order("/square/EXCHANGE").lines.order_by("position")
    assert [(each.name, each.state, each.amount) for each in lines] == [
        ("Sandwich", "sold", 10),
        ("Americano", "returned", Decimal("5.5")),
        ("others", "returned", Decimal("0.5")),
    ]


def test_an_exchange_of_square_for_something_cheaper_owes_nothing():
    """The rest goes back by a refund of the payment that was made for the returned goods."""
    cheaper = {
        **square.EXCHANGE,
        "line_items": [{**square.EXCHANGE["line_items"][0], "base_price_money": square.usd(200)}],
        "net_amounts": {"total_money": square.usd(-400)},
        "total_money": square.usd(200),
    }
    cheaper["line_items"][0]["variation_total_price_money"] = square.usd(200)
    body = square.thin("1", order_id="EXCHANGE")
    pushed = Pushed(name="", document="", body=body, details={"order": cheaper}, expect=[])
    arrive(square.CASE, [translated(square.CASE, pushed)])
    assert summed("/square/EXCHANGE") == ("closed", 0, 0, True)


def test_an_order_of_square_that_is_rounded_half_to_even_adds_up():
    arrive(square.CASE, of(square.CASE, "an order by weight, rounded half to even"))
    assert summed("/square/WEIGHED")[3]
    assert the_order("/square/WEIGHED").total == Decimal("3.74")


def test_a_toast_order_is_paid_and_partly_refunded():
    names = (
        "an order with discounts of the check and of a line",
        "a refund of a line, a day later",
    )
    arrive(toast.CASE, of(toast.CASE, *names))
    key = f"/toast/{toast.ORDER_ID}"
    assert summed(key) == ("closed", 0, Decimal("53.5"), True)


def test_a_deliverect_order_is_paid_and_goes_on():
    arrive(deliverect.CASE, of(deliverect.CASE, "an order whose taxes are added", "a status"))
    assert summed(f"/deliverect/{deliverect.ORDER_ID}") == ("ready", 0, Decimal("270.77"), True)


@pytest.mark.parametrize("arrives", [list, reversed], ids=["in order", "reversed"])
@pytest.mark.parametrize(
    ("cancelled", "state"),
    [
        (["a cancellation by the channel"], "cancelled"),
        (["a refusal of the restaurant"], "rejected"),
        (["a refusal of the restaurant", "a cancellation by the channel"], "cancelled"),
    ],
    ids=["whole", "a status", "both"],
)
def test_nobody_owes_anything_for_a_paid_deliverect_order_that_was_cancelled(
    cancelled, state, arrives
):
    names = ("an order whose taxes are added", *cancelled)
    arrive(deliverect.CASE, list(arrives(of(deliverect.CASE, *names))))
    assert summed(f"/deliverect/{deliverect.ORDER_ID}") == (state, 0, 0, True)


def test_a_status_that_deliverect_did_not_apply_cancels_no_sale():
    names = (
        "an order whose taxes are added",
        "a status of the till that was not applied to the order",
    )
    arrive(deliverect.CASE, of(deliverect.CASE, *names))
    assert summed(f"/deliverect/{deliverect.ORDER_ID}") == ("accepted", 0, Decimal("270.77"), True)


def test_an_eleme_order_is_paid_out_as_eleme_says():
    arrive(eleme.CASE, of(eleme.CASE, "a new order", "an order that the store accepted"))
    order = the_order(f"/eleme/{eleme.ORDER_ID}")
    assert summed(order.key) == ("accepted", 0, 17, True)
    assert order.payout == order.expected_payout == Decimal("13.6")


def test_a_cancelled_eleme_order_owes_nobody_anything():
    """Two messages tell of the same money."""
    names = ("a new order", "an agreed cancellation", "an order that is no more, which was fetched")
    arrive(eleme.CASE, of(eleme.CASE, *names))
    assert summed(f"/eleme/{eleme.ORDER_ID}") == ("cancelled", 0, 0, True)
    assert Payment.objects.count() == 2


def test_a_meituan_order_is_paid_out_as_meituan_says():
    arrive(meituan.CASE, of(meituan.CASE, "a new order"))
    order = the_order(f"/meituan/{meituan.ORDER_ID}")
    assert summed(order.key) == ("open", 0, 33, True)
    assert order.payout == order.expected_payout == 41


def test_a_cancelled_meituan_order_owes_nobody_anything():
    names = ("a new order", "an agreed refund of the whole order", "a cancellation")
    arrive(meituan.CASE, of(meituan.CASE, *names))
    assert summed(f"/meituan/{meituan.ORDER_ID}") == ("cancelled", 0, 0, True)


@pytest.mark.parametrize("later", [0, 60])
@pytest.mark.parametrize("first", ["part", "cancellation"])
def test_a_part_and_then_all_of_a_meituan_order_give_back_what_was_paid(first, later):
    """Also where the order is stated with a later time than its cancellation."""
    order = {**meituan.ORDER, "utime": str(int(meituan.ORDER["utime"]) + later), "status": "4"}
    part = named(meituan.CASE, "an agreed refund of some food")
    when = {"utime": meituan.ORDER["utime"]}
    cancelled = named(meituan.CASE, "a cancellation")
    pushes = {
        "order": translated(meituan.CASE, replace(part, body=order)),
        "part": translated(meituan.CASE, replace(part, body={**part.body, **when})),
        "cancellation": translated(
            meituan.CASE, replace(cancelled, body={**cancelled.body, **when})
        ),
    }
    arrive(meituan.CASE, [pushes.pop(first), *pushes.values()])
    marked = the_order(f"/meituan/{meituan.ORDER_ID}")
    assert (marked.state, marked.paid, marked.refunded, marked.net) == ("cancelled", 33, 33, 0)
    assert not marked.unsettled


@pytest.mark.parametrize("later", [0, 600])
@pytest.mark.parametrize("rest", [17.0, 12.0])
def test_a_part_and_then_all_of_an_eleme_order_give_back_what_was_paid(rest, later):
    """Whether the cancellation states all or the rest, and however late the order is stated."""
    when = {"updateTime": 1509365300 + later}
    order = eleme.message(10, "1", {**eleme.ORDER, **when})
    part = eleme.state(33, "2", refundId="R1", totalPrice=5.0)
    all_of_it = eleme.state(23, "3", totalPrice=rest)
    pushed = named(eleme.CASE, "a new order")
    arrive(
        eleme.CASE,
        [translated(eleme.CASE, replace(pushed, body=each)) for each in (order, part, all_of_it)],
    )
    marked = the_order(f"/eleme/{eleme.ORDER_ID}")
    assert (marked.state, marked.paid, marked.refunded, marked.net) == ("cancelled", 17, 17, 0)
    assert not marked.unsettled


def test_packing_of_eleme_is_a_charge_alone_however_its_group_is_written():
    groups = [{**each, "type": each["type"].upper()} for each in eleme.PACKED["groups"]]
    capitals = {**eleme.PACKED, "groups": groups, "status": "SETTLED"}
    pushed = named(eleme.CASE, "a new order")
    body = eleme.message(10, "1", capitals)
    arrive(eleme.CASE, [translated(eleme.CASE, replace(pushed, body=body))])
    order = the_order(f"/eleme/{capitals['orderId']}")
    assert [each.name for each in order.lines.all()] == ["米饭"]
    assert (order.adds_up, order.status) == (True, "closed")


class TestTendersOfASquareOrder:
    TENDER: ClassVar = {
        "id": "T1",
        "type": "CARD",
        "created_at": square.PAYMENT["created_at"],
        "amount_money": square.usd(3383),
        "tip_money": square.usd(300),
        "processing_fee_money": square.usd(98),
        "card_details": {"status": "CAPTURED"},
    }

    def told(self, *tenders: Any, version: int = 3) -> list[Translated]:
        order = {**square.CLOSED, "version": version, "tenders": [*tenders]}
        pushed = named(square.CASE, "an order that is open")
        body = square.thin(f"of {version}", version=version)
        return translated(square.CASE, replace(pushed, body=body, details={"order": order}))

    def test_they_are_its_payments_without_any_event_of_theirs(self):
        cash = {
            "id": "T2",
            "type": "CASH",
            "amount_money": square.usd(500),
            "cash_details": {"buyer_tendered_money": square.usd(1000)},
        }
        card = {**self.TENDER, "amount_money": square.usd(2883)}
        arrive(square.CASE, [self.told(card, cash, {"id": "T3", "type": "NO_SALE"})])
        order = the_order("/square/eA3vssLHKJrv9H0IdJCM3gNqfdcZY")
        assert (order.balance, order.tips, order.unsettled) == (0, 3, False)
        found = {each.reference: (each.tender, each.amount, each.change) for each in payments()}
        assert found == {"T1": ("card", Decimal("25.83"), None), "T2": ("cash", 5, 5)}

    def test_a_later_state_of_one_wins(self):
        pending = {**self.TENDER, "card_details": {"status": "AUTHORIZED"}}
        for states in permutations([self.told(pending), self.told(self.TENDER, version=4)]):
            with undone():
                arrive(square.CASE, states)
                assert [each.status for each in payments()] == ["completed"]

    def test_the_payment_itself_says_more_and_wins_in_whatever_order(self):
        wallet = {**square.PAYMENT, "updated_at": square.PAYMENT["created_at"]}
        wallet |= {"source_type": "WALLET", "wallet_details": {"brand": "ALIPAY"}}
        pushed = named(square.CASE, "a payment by card, with its order")
        body = square.envelope("payment.updated", "1", {"payment": wallet})
        paid = translated(square.CASE, replace(pushed, body=body))
        tender = {**self.TENDER, "payment_id": wallet["id"], "type": "WALLET"}
        for pushes in permutations([paid, self.told(tender)]):
            with undone():
                arrive(square.CASE, pushes)
                assert [each.tender for each in payments()] == ["alipay"]


def payments() -> list[Payment]:
    return list(Payment.objects.order_by("reference"))


@pytest.mark.parametrize("more", [{}, {"order_id": "RETURN"}])
def test_a_refund_of_square_that_is_linked_to_no_payment_has_a_day(more):
    refund = {
        "id": "UNLINKED",
        "unlinked": True,
        "destination_type": "CASH",
        "location_id": "FPYCBCHYMXFK1",
        "amount_money": square.usd(1000),
        "status": "COMPLETED",
        "created_at": "2020-04-17T22:14:16.381Z",
        **more,
    }
    pushed = named(square.CASE, "a refund, by its payment")
    body = square.envelope("refund.created", "u1", {"refund": refund})
    unlinked = replace(pushed, body=body, details=None)
    assert square.CASE.platform.fetch(square.CASE.push(unlinked), {}, None) is None

    arrive(square.CASE, [translated(square.CASE, unlinked)])

    order = the_order(f"/square/{more.get('order_id', 'UNLINKED')}")
    assert (order.state, order.refunded, order.unsettled) == ("expected", 10, True)
    (day,) = tills_of([("S1", order.business_day)]).values()
    assert day["square", "USD"].money.tenders["cash"].refunded == 10


def test_a_keruyun_order_is_settled_on_account_and_partly_refunded():
    names = (
        "a new order",
        "a settled order, part of it on account",
        "a refund, which has an id of its own",
    )
    arrive(keruyun.CASE, of(keruyun.CASE, *names))
    key = f"/keruyun/{keruyun.TRADE}"
    assert summed(key) == ("closed", 0, Decimal("138.9"), True)
