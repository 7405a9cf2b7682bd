"""The demo's tills: their own arithmetic, their two days, and how the ledger agrees with them."""

import datetime as dt
import random
from decimal import Decimal

import pytest

import neural
from neural.models import RunState, TaskRun
from neural.restaurant.models import Order, OrderLine, Payment
from zhilian.demo import days, live, till_days
from zhilian.demo.text import day_lines
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

    assert (totals.orders, totals.guests, totals.owed) == (2, 3, Decimal("9.00"))
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


def agreed(tills):
    report = days.report(tills)
    assert all(day["ok"] for day in report["days"]), report["days"]
    assert report["ok"], report
    return report


def assert_that_each_day_is_a_column(lines, tills):
    text = [" ".join(each.split()) for each in lines]
    assert "the ledger agrees agrees agrees agrees agrees agrees" in text
    totals = [str(till.totals(day).sums["total"]) for till in tills for day in till.days]
    assert f"= total {' '.join(totals)}" in text
    assert any(each.startswith("ok A-4 15.00, owed 15.00") for each in text)
    assert any(each.endswith("the next day; returned 32.40") for each in text)
    assert max(map(len, lines)) <= 100


@pytest.mark.django_db
@pytest.mark.parametrize("session", ["20261126-120000", "another"])
def test_every_day_of_every_till_agrees_with_the_ledger_to_the_cent(session):
    tills = two_days(session)

    answers = process(requests_of(tills))

    assert all(answer.is_new for answer in answers)
    report = agreed(tills)
    assert len(report["days"]) == len(report["first_ticket"]["orders"]) == 6
    shown = list(day_lines({"tills": report}))
    assert_that_each_day_is_a_column(shown, tills)


@pytest.mark.django_db
def test_it_also_agrees_when_events_come_in_any_order_and_twice():
    tills = two_days()
    requests = requests_of(tills) * 2
    random.Random(5).shuffle(requests)

    process(requests)

    agreed(tills)


@pytest.mark.django_db
def test_a_payment_of_a_cent_more_is_a_difference_of_its_day():
    tills = two_days()
    process(requests_of(tills))
    payment = Payment.objects.filter(order__till=tills[0].code, business_day=SECOND).first()
    Payment.objects.filter(pk=payment.pk).update(amount=payment.amount + Decimal("0.01"))

    report = days.report(tills)

    differing = [(day["till"], day["day"], day["differing"]) for day in report["days"]]
    assert differing[1] == ("hall", "2025-11-26", [payment.tender])
    assert not report["ok"]


@pytest.mark.django_db
def test_a_wrong_sum_of_an_order_is_a_difference_of_its_day():
    tills = two_days()
    process(requests_of(tills))
    counter = Order.objects.filter(till=tills[1].code, store="demo-1", business_day=FIRST)
    order = counter.get(number="A-1")
    for column in ("total", "line_discounts", "charges", "tax", "rounding", "discounts", "payout"):
        right = getattr(order, column)
        counter.filter(pk=order.pk).update(**{column: Decimal("0.01")})

        report = days.report(tills)

        agreeing = [day["ok"] for day in report["days"]]
        assert (agreeing, report["ok"]) == ([True, True, False, True, True, True], False)
        counter.filter(pk=order.pk).update(**{column: right})
    agreed(tills)


@pytest.mark.django_db
def test_a_bill_that_the_ledger_does_not_have_is_told():
    tills = two_days()
    process(requests_of(tills))
    lost = Order.objects.filter(till=tills[0].code, business_day=SECOND, number="A-4")
    OrderLine.objects.filter(order__in=lost).delete()
    lost.delete()

    report = days.report(tills)

    told = [bill for bill in report["bills"] if not bill["ok"]]
    assert [(bill["ticket"], bill["status"]) for bill in told] == [("A-4", "missing")]
    lines = "\n".join(day_lines({"tills": report}))
    assert "NOT OK A-4 missing" in lines
    assert "NOT OK demo-1 hall 2025-11-26: orders is 6 at the till, 5 in the ledger" in lines


def test_without_tills_nothing_agrees(db):
    assert not days.report([])["ok"]
