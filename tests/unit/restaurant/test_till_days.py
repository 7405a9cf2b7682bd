"""The demo's tills: their own arithmetic, their two days, and how the ledger agrees with them."""

import datetime as dt
import random
from decimal import Decimal

import pytest

import neural
from neural.models import RunState, TaskRun
from neural.restaurant.models import Order, OrderLine, Payment
from zhilian.demo import live, till_days
from zhilian.demo.report import day_lines
from zhilian.demo.till import Bill, BillLine, Till

pytestmark = pytest.mark.slow

NOW = dt.datetime(2025, 11, 26, 12, tzinfo=dt.UTC)
FIRST, SECOND = dt.date(2025, 11, 25), dt.date(2025, 11, 26)


def two_days(session="20261126-120000"):
    return till_days.play(session=session, now=NOW, today=dict.fromkeys(live.SHOPS, SECOND))


def requests_of(tills):
    return [*till_days.first_days(tills), *till_days.second_days(tills)]


def a_till():
    till = Till(session="s", shop="demo-1", name="hall")
    till.begin(FIRST, NOW)
    return till


def line(price, quantity="1", **more):
    return BillLine(dish="D", name="Dish", price=Decimal(price), quantity=Decimal(quantity), **more)


def bill(*lines) -> Bill:
    return Bill(day=FIRST, ticket="A-1", placed_at=NOW, lines=list(lines))


# A bill


def test_a_bill_is_its_lines_less_discounts_plus_charges_rounded_down():
    dinner = bill(line("38", "2"), line("3", "3"), line("88"), line("6"), line("18", state="gift"))
    dinner.add("discount", Decimal("20.00"), "Coupon")
    dinner.add("charge", Decimal("15.90"), "Service")

    dinner.round_down()

    assert (dinner.gross, dinner.discounts) == (Decimal("179.00"), Decimal("20.00"))
    assert (dinner.of_kind("rounding"), dinner.total) == (Decimal("-0.90"), Decimal("174.00"))


def test_a_weighed_line_is_rounded_to_cents_and_a_void_one_costs_nothing():
    weighed, void = line("28.00", "0.385"), line("9.50", state="void", discount=Decimal(1))

    assert bill(weighed, void).total == Decimal("10.78")
    assert bill(line("0.05", "0.5")).total == Decimal("0.03")


def test_a_bill_that_was_voided_owes_nothing_once_its_payment_is_undone():
    till = a_till()
    voided = till.bill(line("80.00"))
    till.pay(voided, "wechat")
    till.change(voided, "voided")
    assert voided.owed == Decimal("-80.00")

    till.reverse(voided, "wechat", Decimal("80.00"))

    assert voided.owed == 0


# A day


def test_a_day_adds_up_its_bills_and_its_drawer():
    till = a_till()
    split = till.bill(line("60.00", discount=Decimal("6.00")), guests=2)
    till.pay(split, "card", Decimal("30.00"), tip=Decimal("5.00"))
    till.pay(split, "cash", given=Decimal("50.00"))
    till.state(till.bill(line("9.00"), guests=1))

    totals = till.totals(FIRST)

    assert (totals.orders, totals.guests) == (2, 3)
    assert totals.tenders == {"card": Decimal("30.00"), "cash": Decimal("24.00")}
    expected = {"gross": 69, "discounts": 6, "total": 63, "tips": 5, "refunds": 0}
    assert {name: totals.sums[name] for name in expected} == expected


def test_money_that_is_returned_on_another_day_leaves_the_day_of_the_sale_as_it_was():
    till = a_till()
    sold = till.bill(line("60.00"))
    till.pay(sold, "card")
    before = till.totals(FIRST)
    till.begin(SECOND, NOW + till_days.A_DAY)

    till.refund(sold, "card", Decimal("20.00"))

    assert till.totals(FIRST) == before
    assert till.totals(SECOND).tenders == {"card": Decimal("-20.00")}
    (told,) = till.sent[SECOND]
    assert (told["payload"]["day"], told["payload"]["business_day"]) == ("2025-11-25", "2025-11-26")


def test_a_day_is_closed_with_the_tills_own_totals_after_its_last_event():
    till = a_till()
    till.pay(till.bill(line("7.50", "2")), "cash")

    closing = till.closing(FIRST)

    assert closing["occurred_at"] > till.sent[FIRST][-1]["occurred_at"]
    told = closing["payload"]
    assert (told["first_ticket"], told["last_ticket"], told["orders"]) == ("A-1", "A-1", 1)
    assert (told["sums"]["total"], told["tenders"]) == ("15.00", {"cash": "15.00"})


# The two days


def test_a_session_always_has_the_same_events_and_another_one_has_others():
    assert requests_of(two_days()) == requests_of(two_days())

    one, two = (requests_of(two_days(name)) for name in ("one", "two"))
    assert len({(each["store"], each["event_id"]) for each in one}) == len(one)
    assert not {each["event_id"] for each in one} & {each["event_id"] for each in two}


def test_tickets_begin_again_every_day_at_every_till():
    for till in two_days():
        for day in till.days:
            tickets = [bill.ticket for bill in till.bills_of(day)]
            assert tickets == [f"A-{number}" for number in range(1, len(tickets) + 1)]


def test_nothing_of_it_happens_in_the_future():
    assert all(each["occurred_at"] < NOW for each in requests_of(two_days()))


# What the ledger makes of it


def process(requests):
    live.register_shops()
    answers = list(neural.submit_many(requests))
    neural.run_due()
    assert not TaskRun.objects.exclude(state=RunState.SUCCEEDED).exists()
    return answers


def shown(tills):
    """The lines of the report, and what differs."""
    problems = []
    lines = [" ".join(line.split()) for line in day_lines(tills, problems)]
    return lines, problems


@pytest.mark.django_db
@pytest.mark.parametrize("session", ["20261126-120000", "another"])
def test_every_day_of_every_till_agrees_with_the_ledger_to_the_cent(session):
    tills = two_days(session)

    answers = process(requests_of(tills))

    assert all(answer.is_new for answer in answers)
    lines, problems = shown(tills)
    assert not problems
    assert [line for line in lines if line.startswith("ok")] == [
        f"ok {till.shop} {till.name} {day}: {till.totals(day).sums['total']}"
        for till in tills
        for day in till.days
    ]
    assert "A-4 15.00, owed 15.00 still open, nothing paid yet" in lines


@pytest.mark.django_db
def test_it_also_agrees_when_events_come_in_any_order_and_twice():
    tills = two_days()
    requests = requests_of(tills) * 2
    random.Random(5).shuffle(requests)

    process(requests)

    assert shown(tills)[1] == []


@pytest.mark.django_db
def test_a_payment_of_a_cent_more_is_a_difference_of_its_day():
    tills = two_days()
    process(requests_of(tills))
    payment = Payment.objects.filter(order__till=tills[0].code, business_day=SECOND).first()
    Payment.objects.filter(pk=payment.pk).update(amount=payment.amount + Decimal("0.01"))

    lines, problems = shown(tills)

    assert problems == ["demo-1 hall 2025-11-26 differs from the ledger"]
    assert any(line.startswith(f"{payment.tender} is ") for line in lines)


@pytest.mark.django_db
def test_a_wrong_sum_of_an_order_is_a_difference_of_its_day():
    tills = two_days()
    process(requests_of(tills))
    counter = Order.objects.filter(till=tills[1].code, store="demo-1", business_day=FIRST)
    order = counter.get(number="A-1")
    for column in ("total", "line_discounts", "charges", "tax", "rounding", "discounts"):
        right = getattr(order, column)
        counter.filter(pk=order.pk).update(**{column: Decimal("0.01")})

        assert shown(tills)[1] == ["demo-1 counter 2025-11-25 differs from the ledger"]

        counter.filter(pk=order.pk).update(**{column: right})
    assert shown(tills)[1] == []


@pytest.mark.django_db
def test_a_bill_that_the_ledger_does_not_have_is_shown():
    tills = two_days()
    process(requests_of(tills))
    lost = Order.objects.filter(till=tills[0].code, business_day=SECOND, number="A-4")
    OrderLine.objects.filter(order__in=lost).delete()
    lost.delete()

    lines, problems = shown(tills)

    assert problems == ["demo-1 hall 2025-11-26 differs from the ledger"]
    assert "orders is 6 at the till, 5 in the ledger" in lines


def test_a_day_that_no_till_has_closed_does_not_agree(db):
    tills = two_days()

    assert len(shown(tills)[1]) == 6
