"""The business day of a store: its figures fit together, and agree with a till that is right."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neural.models import Store
from neural.restaurant.days.figures import Sales
from neural.restaurant.days.summary import CurrencyDay, DaySummary, latest_day, summarise
from neural.restaurant.models import DayClose, Order, OrderState
from tests.unit.restaurant import business_days as business
from tests.unit.restaurant.business_days import DAY, STATED
from tests.unit.restaurant.history import Reporter, at, line, undone

pytestmark = pytest.mark.django_db


@pytest.fixture
def store() -> Store:
    return business.a_store()


@pytest.fixture
def till(store: Store) -> Reporter:
    return Reporter(store)


def day_of(till: Reporter, day: dt.date = DAY) -> DaySummary:
    return summarise(till.store, day)


def only(summary: DaySummary) -> CurrencyDay:
    (currency,) = summary.currencies
    return currency


def fits(sales: Sales) -> bool:
    parts = sales.gross - sales.discounts + sales.charges + sales.tax + sales.rounding
    return parts + sales.difference == sales.total


# Sales


def test_gross_less_discounts_with_charges_tax_and_rounding_is_the_total_to_the_cent(till):
    business.report_day(till)

    sales = only(day_of(till)).sales

    assert (sales.gross, sales.discounts, sales.charges) == (463, 58, Decimal("20.90"))
    assert (sales.tax, sales.rounding, sales.total) == (4, Decimal("-0.90"), 429)
    assert sales.difference == 0
    assert fits(sales)


def test_a_total_that_is_not_its_parts_shows_as_the_difference_of_the_day(till):
    business.order(till, "1", at(0), line("rice", 1, "10"), total="11.50")

    summary = day_of(till)

    assert (only(summary).sales.difference, only(summary).sales.total) == (Decimal("1.5"), 11.5)
    assert fits(only(summary).sales)
    assert summary.counts.not_adding_up == 1


def test_the_average_check_is_by_order_and_that_of_guests_by_orders_that_state_them(till):
    business.report_day(till)

    sales = only(day_of(till)).sales

    assert (sales.orders, sales.guests) == (5, 7)
    assert sales.average_check == Decimal(429) / 5
    assert sales.average_per_guest == Decimal(174 + 54) / 7


def test_a_top_up_is_in_the_total_and_is_no_sale(till):
    business.order(till, "1", at(0), line("rice", 1, "10"), line("card", 1, 100, role="deferred"))

    sales = only(day_of(till)).sales

    assert (sales.total, sales.deferred, sales.sold, sales.average_check) == (110, 100, 10, 10)


def test_orders_that_count_nowhere_are_counted_apart_and_add_nothing(till):
    for number, status in enumerate(("cancelled", "voided", "rejected", "merged")):
        business.order(till, f"{number}", at(0), line("rice", 1, "10"), status=status)
    business.pay(till, "unknown", "p", "7", at(1), tender="cash")

    summary = day_of(till)
    counts = summary.counts

    assert (counts.cancelled, counts.voided, counts.rejected, counts.merged) == (1, 1, 1, 1)
    assert (counts.placed, counts.expected, counts.unsettled) == (0, 1, 1)
    assert only(summary).sales == Sales()
    assert only(summary).money.tenders["cash"].received == 7


def test_currencies_are_never_added_up(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.order(till, "2", at(0), line("rice", 1, "900"), currency="JPY")

    totals = {each.currency: each.sales.total for each in day_of(till).currencies}

    assert totals == {"CNY": 10, "JPY": 900}


def test_another_day_and_another_store_are_left_out(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.order(till, "2", at(24 * 60), line("rice", 1, "10"))
    other = Reporter(business.a_store("S2"))
    business.order(other, "3", at(0), line("rice", 1, "10"))

    assert only(day_of(till)).sales.orders == 1


def test_the_latest_day_is_the_newest_with_orders_up_to_today(till):
    assert latest_day(till.store, at(0)) is None
    for days in (-1, 0, 1, 40):  # the last one is scheduled
        moment = at(days * 24 * 60)
        business.order(till, f"{days}", moment, line("rice", 1, "10"))

    # At UTC+8 it is 03:59, then 04:00: the end of the business day.
    assert latest_day(till.store, at(8 * 60 - 1)) == DAY
    assert latest_day(till.store, at(8 * 60)) == DAY + dt.timedelta(days=1)
    assert latest_day(till.store, at(30 * 24 * 60)) == DAY + dt.timedelta(days=1)


def test_tax_is_by_rate_added_apart_from_included(till):
    tax = [
        {"kind": "tax", "amount": "0.6", "rate": "6", "included": True},
        {"kind": "tax", "amount": "0.3", "rate": "6.0"},
        {"kind": "tax", "amount": "1.1", "rate": "13"},
        {"kind": "tax", "amount": "0.2"},
    ]
    business.order(till, "1", at(0), line("rice", 1, "10"), bill=tax)

    summary = only(day_of(till))
    found = [(each.rate, each.added, each.included) for each in summary.taxes]

    assert found == [
        (Decimal("6"), Decimal("0.3"), Decimal("0.6")),
        (Decimal("13"), Decimal("1.1"), 0),
        (None, Decimal("0.2"), 0),
    ]
    assert (summary.sales.tax, summary.sales.tax_included) == (Decimal("1.6"), Decimal("0.6"))


def test_channels_are_shown_with_their_platforms_the_largest_first(till):
    business.report_day(till)

    channels = only(day_of(till)).channels

    assert [(channel, platform, sales.total) for channel, platform, sales in channels] == [
        ("dine_in", "", 174 + 54 + 92),
        ("takeaway", "", 90),
        ("delivery", "eleme", 19),
    ]
    assert sum(sales.total for *_, sales in channels) == only(day_of(till)).sales.total


def test_hours_are_those_of_the_store_and_go_on_after_midnight(till):
    Store.objects.update(time_zone="Asia/Tokyo")  # not the zone of the settings
    till = Reporter(Store.objects.get())
    business.order(till, "1", at(2 * 60), line("rice", 1, "10"))  # 23:00 at UTC+9
    business.order(till, "2", at(5 * 60), line("rice", 1, "20"))  # 02:00, the same business day
    promised = at(4 * 60).isoformat()
    business.order(till, "3", at(0), line("rice", 1, "5"), promised_at=promised)

    hours = only(day_of(till)).hours

    assert [hour for hour, *_ in hours] == [*range(4, 24), *range(4)]
    assert [each for each in hours if each[1]] == [(23, 1, 10), (1, 1, 5), (2, 1, 20)]


def test_an_hour_that_the_end_of_the_day_cuts_is_the_last_one(till):
    Store.objects.update(day_ends_at=dt.time(4, 30))
    till = Reporter(Store.objects.get())
    business.order(till, "1", at(8 * 60 + 10), line("rice", 1, "10"))  # 04:10 at UTC+8

    hours = only(day_of(till)).hours

    assert [hour for hour, *_ in hours] == [*range(5, 24), *range(5)]
    assert hours[-1] == (4, 1, 10)


# Money


def test_tenders_are_payments_less_refunds_and_a_refund_has_the_tender_of_its_payment(till):
    business.report_day(till)

    money = only(day_of(till)).money
    received = {name: tender.received for name, tender in money.tenders.items()}

    assert received == {"cash": 174 + 27, "card": 90 + 27 + 92 - 36, "platform": 19}
    assert (money.returned, money.reversed, money.refunds) == (36, 80, 116)
    assert money.all.tips == 5


@pytest.mark.parametrize(
    ("tenders", "payment_id", "taken"),
    [
        (("card",), "", {"card": 6}),
        (("card", "card"), "", {"card": 16}),
        (("card",), "unknown", {"card": 6}),
        (("card", "cash"), "", {"card": 10, "cash": 10, "": -4}),
        (("card", ""), "", {"card": 6, "": 10}),
        (("", "card"), "1", {"card": 6, "": 10}),
    ],
)
def test_a_refund_without_a_tender_has_the_only_one_of_its_order(till, tenders, payment_id, taken):
    business.order(till, "1", at(0), line("rice", 1, "20"))
    for number, tender in enumerate(tenders, 1):
        business.pay(till, "1", str(number), "10", at(number), tender=tender)
    failed = {"tender": "voucher", "status": "failed"}
    business.pay(till, "1", "9", "10", at(8), **failed)
    refund = {"order_id": "1", "refund_id": "1", "payment_id": payment_id, "amount": "4"}
    till.report("refund.stated", at(9), till="T1", currency="CNY", **refund)

    money = only(day_of(till)).money

    assert {name: tender.received for name, tender in money.tenders.items()} == taken


def test_a_refund_of_the_next_week_lowers_the_money_of_that_week_and_the_net_of_its_order(till):
    later = 7 * 24 * 60
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.pay(till, "1", "1", "10", at(1), tender="cash")
    refund = {"order_id": "1", "refund_id": "1", "payment_id": "1", "amount": "4"}
    till.report("refund.stated", at(later), till="T1", **refund)

    then, now = only(day_of(till)), only(day_of(till, DAY + dt.timedelta(days=7)))

    assert (then.money.refunds, then.money.all.received) == (0, 10)
    assert (then.sales.total, then.sales.net) == (10, 6)
    assert (now.money.refunds, now.money.tenders["cash"].received) == (4, -4)
    assert now.sales == Sales()


NOT_TAKEN_IN = {"on_account": 10, "stored_value": 20, "points": 1, "voucher": 2, "platform": 4}


def test_what_brings_no_money_on_the_day_was_not_taken_in(till):
    business.order(till, "1", at(0), line("rice", 1, "60"))
    for tender, amount in {**NOT_TAKEN_IN, "cash": 30, "card": 5, "other": 7}.items():
        business.pay(till, "1", tender, f"{amount}", at(1), tender=tender)

    money = only(day_of(till)).money

    assert (money.taken_in, money.not_taken_in) == (30 + 5 + 7, NOT_TAKEN_IN)


def test_only_completed_payments_count(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.pay(till, "1", "1", "10", at(1), tender="cash", status="pending")

    assert only(day_of(till)).money.tenders == {}


# Beside the till's own totals


def test_the_worked_examples_agree_to_the_cent_with_a_till_that_is_right(till):
    business.report_day(till)
    business.close_day(till)

    (comparison,) = day_of(till).comparisons

    assert comparison.agrees
    assert {each.name for each in comparison.figures} == {*STATED["sums"], "orders", "guests"}
    assert {each.difference for each in comparison.figures} == {0}
    assert [each.difference for each in comparison.tenders] == [0, 0, 0]


def test_a_figure_that_differs_is_marked_with_stated_less_ours(till):
    business.report_day(till)
    business.close_day(till, sums={"total": "430.01"}, tenders={"cash": "200"}, orders=6)

    (comparison,) = day_of(till).comparisons
    differing = [
        (each.name, each.difference)
        for each in (*comparison.figures, *comparison.tenders)
        if each.differs
    ]

    assert comparison.agrees is False
    assert differing == [("total", Decimal("1.01")), ("orders", 1), ("cash", -1)]


def test_what_a_till_leaves_out_is_not_compared(till):
    business.report_day(till)
    till.report("day.closed", at(600), till="T1", business_day=str(DAY))

    (comparison,) = day_of(till).comparisons

    assert comparison.agrees is None
    assert {each.difference for each in comparison.figures} == {None}


def test_each_till_is_compared_with_its_own_orders_and_all_tills_together(till):
    for number, name in enumerate(("T1", "T2")):
        business.order(till, "1", at(number), line("rice", 1, "10"), till=name)
        business.close_day(till, till=name, sums={"total": "10"}, tenders={}, orders=1, guests=0)
    business.order(till, "2", at(3), line("rice", 1, "10"), till="T3")

    summary = day_of(till)
    found = [
        (each.till, each.agrees, [one.ours for one in each.figures if one.name == "total"])
        for each in summary.comparisons
    ]

    assert found == [("T1", True, [10]), ("T2", True, [10]), (None, False, [30])]
    assert summary.not_closed == ["T3"]


def test_a_close_without_a_till_speaks_for_the_whole_store(till):
    for name in ("T1", "T2"):
        business.order(till, "1", at(0), line("rice", 1, "10"), till=name)
    business.close_day(till, till="", sums={"total": "20"}, tenders={}, orders=2, guests=0)

    summary = day_of(till)

    assert [each.agrees for each in summary.comparisons] == [True]
    assert summary.not_closed == []


def test_a_close_without_a_currency_is_not_compared_with_several(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.order(till, "2", at(0), line("rice", 1, "900"), currency="JPY")
    business.close_day(till, currency="")

    (comparison,) = day_of(till).comparisons

    assert (comparison.comparable, comparison.agrees) == (False, None)


@pytest.mark.parametrize("currency", ["", "CNY"])
@pytest.mark.parametrize("name", ["", "T1"])
def test_a_payment_without_a_currency_is_in_the_only_one_that_the_day_has(till, currency, name):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    paid = {"till": "T1", "order_id": "expected", "payment_id": "p", "amount": "7"}
    till.report("payment.stated", at(1), tender="cash", **paid)
    own = {"sums": {"total": "10"}, "tenders": {"cash": "7"}, "orders": 1, "guests": 0}
    business.close_day(till, till=name, currency=currency, **own)

    (comparison,) = day_of(till).comparisons

    assert (comparison.agrees, comparison.currency) == (True, "CNY")


def test_a_payment_without_a_currency_is_in_none_of_several(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.order(till, "2", at(0), line("rice", 1, "900"), currency="JPY")
    paid = {"till": "T1", "order_id": "expected", "payment_id": "p", "amount": "7"}
    till.report("payment.stated", at(1), tender="cash", **paid)
    business.close_day(till, sums={"total": "10"}, tenders={"cash": "0"}, orders=1, guests=0)

    assert day_of(till).comparisons[0].agrees

    business.close_day(till, currency="")

    assert not day_of(till).comparisons[0].comparable


def test_a_close_in_another_currency_is_compared_with_nothing_of_ours(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.close_day(till, currency="JPY", sums={"total": "0"}, tenders={}, orders=0, guests=0)

    assert day_of(till).comparisons[0].agrees


def test_tills_that_close_without_a_currency_are_together_in_the_only_one(till):
    for name in ("T1", "T2"):
        business.order(till, "1", at(0), line("rice", 1, "10"), till=name)
        own = {"sums": {"total": "10"}, "tenders": {}, "orders": 1, "guests": 0}
        business.close_day(till, till=name, currency="", **own)
    paid = {"till": "T1", "order_id": "expected", "payment_id": "p", "amount": "7"}
    till.report("payment.stated", at(1), tender="cash", **paid)

    found = [(each.till, each.currency, each.agrees) for each in day_of(till).comparisons]

    assert found == [("T1", "CNY", True), ("T2", "CNY", True), (None, "CNY", True)]


def test_the_newest_close_of_a_till_and_day_is_kept_in_whatever_order_they_arrive(till):
    for minute, total in ((10, "1.5"), (30, "3"), (20, "2")):
        till.report(
            "day.closed", at(minute), till="T1", business_day=str(DAY), sums={"total": total}
        )

    assert DayClose.objects.get().stated_sums == {"total": 3}


def test_a_till_that_closes_its_day_in_two_currencies_is_compared_in_each(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.order(till, "2", at(0), line("rice", 1, "900"), currency="JPY")
    for currency, total in (("CNY", "10"), ("JPY", "900"), ("JPY", "901")):
        own = {"sums": {"total": total}, "tenders": {}, "orders": 1, "guests": 0}
        till.report(
            "day.closed",
            at(600 + int(total) % 10),
            till="T1",
            business_day=str(DAY),
            currency=currency,
            **own,
        )

    found = day_of(till).comparisons

    assert [(each.till, each.currency, each.agrees) for each in found] == [
        ("T1", "CNY", True),
        ("T1", "JPY", False),
    ]
    assert DayClose.objects.count() == 2


def test_the_tickets_of_two_closes_bound_a_till_where_they_agree(till):
    ends = ("A-1", "A-4")
    one, other = (
        {"till": "T1", "currency": currency, "first_ticket": ends[0], "last_ticket": ends[1]}
        for currency in ("CNY", "JPY")
    )
    assert missing_with(till, {"T1": [1, 2]}, one, other) == [("T1", [("A-3", "A-4")])]

    till.report("day.closed", at(601), business_day=str(DAY), **other | {"last_ticket": "A-2"})

    assert day_of(till).missing == []


def test_tickets_that_are_missing_between_the_first_and_the_last_stated_one_are_named(till):
    business.report_day(till)
    business.close_day(till)

    (missing,) = day_of(till).missing

    assert (missing.till, missing.count) == ("T1", 2)
    assert [(gap.first, gap.last) for gap in missing.gaps] == [("A-3", "A-3"), ("A-8", "A-8")]


def missing_with(till: Reporter, tickets: dict[str, list[int]], *closes: dict[str, Any]) -> Any:
    """What is missing by till, after orders with these tickets by till, and these closes."""
    for name, numbers in tickets.items():
        for number in numbers:
            business.order(till, f"A-{number}", at(0), line("rice", 1, "10"), till=name)
    for stated in closes:
        till.report("day.closed", at(600), business_day=str(DAY), **stated)
    return [
        (each.till, [(gap.first, gap.last) for gap in each.gaps]) for each in day_of(till).missing
    ]


WHOLE = {"first_ticket": "A-1", "last_ticket": "A-5"}


def test_a_close_of_the_whole_store_bounds_the_one_sequence_of_all_its_tills(till):
    assert missing_with(till, {"T1": [1, 3, 5], "T2": [2, 4]}, WHOLE) == []


def test_what_no_till_has_is_missing_of_the_whole_store(till):
    found = missing_with(till, {"T1": [1, 4], "T2": [2]}, WHOLE)

    assert found == [("", [("A-3", "A-3"), ("A-5", "A-5")])]


def test_a_close_of_the_whole_store_bounds_no_till_that_counts_on_its_own(till):
    found = missing_with(till, {"T1": [1, 2, 4], "T2": [1, 2]}, WHOLE)

    assert found == [("T1", [("A-3", "A-3")])]


def test_a_day_of_one_till_or_none_is_bounded_by_the_close_of_the_whole_store(till):
    assert missing_with(till, {}, WHOLE) == [("", [("A-1", "A-5")])]
    assert missing_with(till, {"T1": [1, 2, 3, 4]}) == [("", [("A-5", "A-5")])]


# In general

MONEY = st.decimals("0", "99", places=2)
LINES = st.lists(
    st.tuples(st.integers(0, 4), MONEY, st.sampled_from(["sold", "gift", "void"])), max_size=3
)
BILLS = st.lists(
    st.tuples(st.sampled_from(["discount", "charge", "tax"]), MONEY, st.booleans()), max_size=3
)
ORDERS = st.tuples(
    LINES,
    BILLS,
    st.one_of(st.none(), MONEY),
    st.sampled_from(["open", "closed", "cancelled"]),
    st.sampled_from(["CNY", "KWD"]),
    st.sampled_from(["", "dine_in", "delivery"]),
)


def report(till: Reporter, orders: list[Any]) -> None:
    for number, (lines, bill, total, status, currency, channel) in enumerate(orders):
        business.order(
            till,
            f"{number}",
            at(number * 60),
            *(line("rice", count, str(price), state=state) for count, price, state in lines),
            bill=[
                {"kind": kind, "amount": str(amount), "included": included and kind == "tax"}
                for kind, amount, included in bill
            ],
            total=None if total is None else str(total),
            status=status,
            currency=currency,
            channel=channel,
        )


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(ORDERS, min_size=1, max_size=5))
def test_the_figures_of_a_day_are_the_plain_sums_over_its_orders(till, orders):
    with undone():
        report(till, orders)
        placed = list(Order.objects.filter(state=OrderState.PLACED))
        for currency in day_of(till).currencies:
            own = [each for each in placed if each.currency == currency.currency]
            sales = currency.sales
            assert sales.orders == len(own)
            assert sales.total == sum(each.total for each in own)
            assert sales.gross == sum(each.items + each.line_discounts for each in own)
            assert sales.discounts == sum(each.discounts + each.line_discounts for each in own)
            assert sales.charges == sum(each.charges for each in own)
            assert sales.all_tax == sum(each.tax + each.tax_included for each in own)
            assert sales.net == sum(each.net for each in own)
            assert fits(sales)
            assert sum(total for *_, total in currency.hours) == sales.total
            assert sum(each.total for *_, each in currency.channels) == sales.total
            assert sum(each.added for each in currency.taxes) == sales.tax
            assert sum(each.included for each in currency.taxes) == sales.tax_included
