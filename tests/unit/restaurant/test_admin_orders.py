"""An order's page is its receipt: what was ordered, what it costs, what is owed, and why."""

import datetime as dt
import re
from typing import Any

import pytest

from neural.models import Store
from neural.restaurant.models import Order
from tests.unit.admin import admin_world as world
from tests.unit.restaurant.history import Reporter, at, handle, line, record

pytestmark = pytest.mark.django_db

DAY = "2026-03-02"


@pytest.fixture
def store() -> Store:
    return world.store("S1")


@pytest.fixture
def reporter(store: Store) -> Reporter:
    return Reporter(store)


def stated(reporter: Reporter, order_id: str = "A-17", minutes: float = 0, **order: Any) -> None:
    order = {"till": "T1", "day": DAY, "currency": "CNY", "lines": [line(price=60)], **order}
    reporter.report("order.stated", at(minutes), order_id=order_id, **order)


def paid(reporter: Reporter, payment_id: str, amount: str, **payment: Any) -> None:
    payment = {"till": "T1", "day": DAY, "order_id": "A-17", **payment}
    reporter.report("payment.stated", at(30), payment_id=payment_id, amount=amount, **payment)


def refunded(store: Store, refund_id: str, amount: str, **refund: Any) -> None:
    refund = {"till": "T1", "day": DAY, "order_id": "A-17", **refund}
    payload = {"refund_id": refund_id, "amount": amount, **refund}
    handle(record(store, "refund.stated", at(60), f"refund {refund_id}", payload))


def order(number: str = "A-17") -> Order:
    return Order.objects.get(number=number)


def words(row: Any, part: str = "", *, client: Any = None) -> str:
    """The text of a row's page, or of one section of it, in single spaces."""
    page = (client or world.superuser()).get(world.page_of(row)).content.decode()
    if part:
        found = re.search(rf'<section[^>]* id="{part}">.*?</section>', page, re.DOTALL)
        page = found[0] if found else ""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_line_is_followed_by_those_that_belong_to_it(reporter: Reporter) -> None:
    stated(
        reporter,
        lines=[
            line("noodles", 1, 20, line_id="1"),
            line("tea", 1, 8, line_id="2"),
            line("egg", 1, 2, line_id="3", parent="1", role="modifier"),
        ],
    )

    page = world.superuser().get(world.page_of(order())).content.decode()

    shown = re.findall(r'neural-depth-(\d)">\s*<span class="neural-name">(\w+)', page)
    assert shown == [("0", "noodles"), ("1", "egg"), ("0", "tea")]


def test_lines_that_belong_to_each_other_are_all_shown(reporter: Reporter) -> None:
    circle = [
        line("noodles", 1, 20, line_id="1", parent="2"),
        line("tea", 1, 8, line_id="2", parent="1"),
    ]
    stated(reporter, lines=circle)

    receipt = words(order(), "receipt")

    assert receipt.count("noodles") == receipt.count("tea") == 1


def test_lines_may_be_nested_as_deep_as_an_order_has_lines(reporter: Reporter) -> None:
    chain = [line(f"dish{n}", 1, 1, line_id=n, parent=n - 1 or "") for n in range(1, 1001)]
    stated(reporter, lines=chain)

    assert "dish999 1 1.00 1.00 dish1000 1 1.00 1.00 Total" in words(order(), "receipt")


def test_gifts_voids_and_top_ups_are_marked_and_options_and_notes_shown(
    reporter: Reporter,
) -> None:
    stated(
        reporter,
        lines=[
            line("tea", 1, 18, state="gift", options=["hot", "no sugar"], note="for the baby"),
            line("beer", 1, 12, state="void"),
            line("card", 1, 100, role="deferred"),
        ],
    )

    receipt = words(order(), "receipt")

    assert "tea complimentary hot, no sugar “for the baby” 1 18.00 0.00" in receipt
    assert "beer void 1 12.00 0.00" in receipt
    assert "card top-up 1 100.00 100.00" in receipt
    assert "Of the total, 100.00 tops up a card and is no sale." in words(order(), "sums")


def test_a_receipt_lists_discounts_charges_taxes_and_rounding_with_their_signs(
    reporter: Reporter,
) -> None:
    stated(
        reporter,
        lines=[line("set", 1, 106, discount=18)],
        bill=[
            {"kind": "rounding", "amount": "-0.90"},
            {"kind": "tax", "amount": "5.00", "name": "VAT", "rate": 6, "included": True},
            {"kind": "tax", "amount": "1.00", "name": "City tax"},
            {"kind": "charge", "amount": "15.90", "code": "service", "rate": 10},
            {"kind": "discount", "amount": "20", "name": "Spring coupon", "platform": 8},
        ],
    )

    receipt = words(order(), "receipt")

    assert "set 1 106.00 discount −18.00 88.00 Lines 88.00" in receipt
    assert "Spring coupon the platform bears 8.00 −20.00" in receipt
    assert "Service charge 10% +15.90" in receipt
    assert "VAT 6% included in the prices (5.00)" in receipt
    assert "City tax added +1.00" in receipt
    assert "Rounding −0.90 Total CNY 84.00" in receipt
    assert "does not add up" not in words(order())


@pytest.mark.parametrize(
    ("total", "said"), [("65.50", "5.50 more"), ("58", "2.00 less")], ids=["more", "less"]
)
def test_a_difference_is_said_in_words(reporter: Reporter, total: str, said: str) -> None:
    stated(reporter, total=total)

    shown = f"{float(total):.2f}"
    receipt = words(order(), "receipt")
    assert f"The till states {shown}, its parts add up to 60.00: {said}." in receipt


def test_amounts_have_the_digits_of_their_currency(reporter: Reporter) -> None:
    stated(reporter, "J", currency="JPY", lines=[line(price=980)])
    stated(reporter, "K", currency="KWD", lines=[line(price="4.1")])

    assert "Total JPY 980" in words(order("J"), "receipt")
    assert "980.0" not in words(order("J"))
    assert "Total KWD 4.100" in words(order("K"), "receipt")


def test_payments_show_tender_tip_given_change_and_fee(reporter: Reporter) -> None:
    stated(reporter)
    paid(reporter, "p1", "27", tender="cash", given="40", tip="3", fee="0.20")
    paid(reporter, "p2", "33", tender="on_account", status="failed")

    payments = words(order(), "payments")

    assert "p1 cash completed 27.00 3.00 40.00 10.00 0.20" in payments
    assert "p2 on account failed 33.00" in payments
    sums = words(order(), "sums")
    assert "Total 60.00 Paid −27.00 Still owed 33.00" in sums
    assert "Tips, which are outside of the total: 3.00" in sums


def test_a_return_shows_its_lines_and_leaves_a_net(reporter: Reporter, store: Store) -> None:
    stated(reporter, status="closed")
    paid(reporter, "p1", "60")
    refunded(
        store, "r1", "36", payment_id="p1", reason="salty", lines=[{"name": "rice", "amount": 36}]
    )

    assert "r1 return completed 36.00 p1 rice 36.00 “salty”" in words(order(), "refunds")
    sums = words(order(), "sums")
    assert "Still owed 0.00" in sums
    assert "Total 60.00 Returned −36.00 Net 24.00" in sums


def test_what_was_paid_for_an_order_that_counts_nowhere_is_paid_too_much(
    reporter: Reporter, store: Store
) -> None:
    stated(reporter)
    paid(reporter, "p1", "60")
    reporter.report(
        "order.status_changed", at(40), till="T1", day=DAY, order_id="A-17", status="voided"
    )

    assert "This order counts nowhere" in words(order(), "receipt")
    assert "Total 0.00 Paid −60.00 Paid too much 60.00" in words(order(), "sums")

    refunded(store, "r1", "60", kind="reversal")
    assert "Payments undone 60.00 Still owed 0.00" in words(order(), "sums")
    assert "r1 payment undone" in words(order(), "refunds")


def test_a_payout_is_compared_with_what_is_expected(reporter: Reporter) -> None:
    stated(
        reporter,
        channel="delivery",
        platform="Meituan",
        bill=[{"kind": "charge", "amount": 3, "code": "delivery", "platform": 3}],
    )
    assert "Expected payout 60.00" in words(order(), "sums")

    settled = {"till": "T1", "day": DAY, "order_id": "A-17", "commission": "6"}
    reporter.report("settlement.stated", at(90), payout="54", **settled)
    assert "estimates a payout of 54.00: as expected." in words(order(), "sums")

    reporter.report("settlement.stated", at(99), payout="53.5", final=True, **settled)
    sums = words(order(), "sums")
    assert "Charges that the platform keeps −3.00 Commission −6.00 Expected payout 54.00" in sums
    assert "The platform pays out 53.50: 0.50 less." in sums


def test_statuses_are_listed_with_time_person_and_reason(reporter: Reporter) -> None:
    stated(reporter, placed_at="2026-03-02T20:00:00+08:00", status="open")
    reporter.report(
        "order.status_changed",
        at(45),
        till="T1",
        day=DAY,
        order_id="A-17",
        status="cancelled",
        by="Li",
        reason="left",
    )

    progress = words(order(), "progress")

    assert re.search(r"placed \S+ \S+ open \S+ \S+ cancelled \S+ \S+ Li “left”", progress)


def delivered(reporter: Reporter, minutes: float, status: str, **delivery: Any) -> None:
    of = {"till": "T1", "day": DAY, "order_id": "A-17"}
    reporter.report("delivery.updated", at(minutes), status=status, **of, **delivery)


def test_a_delivery_shows_its_courier_when_it_is_expected_and_each_step(
    reporter: Reporter,
) -> None:
    stated(reporter, channel="delivery")
    delivered(reporter, 5, "assigned", courier="Wang")
    delivered(reporter, 20, "delivered", courier="Li")
    delivered(reporter, 10, "picked_up", courier="Li", eta=at(30).isoformat())

    delivery = words(order(), "delivery")

    assert delivery.startswith("On the way to the guest delivered courier Li")
    assert re.search(
        r"courier assigned \S+ \S+ Wang picked up \S+ \S+ Li delivered \S+ \S+ Li$", delivery
    )
    delivered(reporter, 25, "failed", courier="Li", eta="2026-03-02T21:00:00+08:00")
    assert re.search(
        r"^On the way to the guest delivery failed .* at the guest's 2026-03-02 \S+:00:00 ",
        words(order(), "delivery"),
    )


def test_a_delivery_and_what_replaced_an_order_are_said_in_chinese(reporter: Reporter) -> None:
    stated(reporter)
    stated(reporter, "B", replaces="A-17")
    delivered(reporter, 5, "picked_up", courier="Li", eta=at(30).isoformat())
    client = world.superuser()
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"

    assert re.search("^配送 .* 骑手 Li 预计送达 ", words(order(), "delivery", client=client))
    assert "已由新单替代 B" in words(order(), client=client)
    assert "收银机" in words(order(), client=client)


def test_an_order_without_a_delivery_has_no_such_section(reporter: Reporter) -> None:
    stated(reporter)

    assert words(order(), "delivery") == ""


def test_the_events_say_which_of_them_gives_the_delivery(reporter: Reporter) -> None:
    stated(reporter)
    delivered(reporter, 5, "assigned")
    delivered(reporter, 9, "picked_up")

    events = words(order(), "events")

    assert re.search(r"delivery.updated event-002 \S+ \S+ \S+ \S+ nothing that is", events)
    assert re.search(r"delivery.updated event-003 \S+ \S+ \S+ \S+ delivery", events)


def test_an_order_known_from_a_delivery_alone_shows_it_and_its_event(reporter: Reporter) -> None:
    delivered(reporter, 5, "at_store", courier="Wang")

    page = words(order())

    assert "courier at the store" in page
    assert "delivery.updated event-001" in page


def test_a_change_long_after_closing_is_explained(reporter: Reporter) -> None:
    said = "Changed more than 12 hours after it was closed"
    stated(reporter, status="closed")
    assert said not in words(order())

    stated(reporter, minutes=13 * 60, status="closed")
    assert said in words(order(), "progress")


def test_an_order_known_from_a_payment_alone_says_so(reporter: Reporter) -> None:
    paid(reporter, "p1", "50")

    assert "Only payments or statuses of this order are known." in words(order())
    assert words(order(), "receipt") == ""
    assert "Paid too much 50.00" in words(order(), "sums")


def test_orders_that_refer_to_each_other_are_linked_both_ways(reporter: Reporter) -> None:
    for number in ("A", "B", "C"):
        stated(reporter, number)
    stated(reporter, "B2", replaces="B")
    stated(reporter, "C1", split_from="C")
    stated(reporter, "X", replaces="unknown")
    reporter.report("order.merged", at(20), till="T1", day=DAY, into="B2", orders=["A"])
    client = world.superuser()

    def said(number: str) -> str:
        page = client.get(world.page_of(order(number))).content.decode()
        (shown,) = re.findall(r"<dt>Other orders</dt>.*?</div>", page, re.DOTALL)
        return shown

    for number, relation, other in (
        ("B2", "replaces", "B"),
        ("B", "replaced by", "B2"),
        ("A", "merged into", "B2"),
        ("B2", "merged into this one", "A"),
        ("C1", "split from", "C"),
        ("C", "split off", "C1"),
    ):
        assert f'{relation} <a href="{world.page_of(order(other))}">' in said(number)
    assert "replaces unknown <small>not known</small>" in said("X")


def test_the_events_of_an_order_say_what_is_taken_from_them(reporter: Reporter) -> None:
    stated(reporter, status="open")
    stated(reporter, minutes=5, status="closed")
    paid(reporter, "p1", "60")
    stated(reporter, "A-18", minutes=6)
    stated(reporter, minutes=7, day="2026-03-01")

    events = words(Order.objects.get(key=f"/T1/{DAY}/A-17"), "events")

    assert re.search(r"order.stated event-001 \S+ \S+ \S+ \S+ nothing that is not newer", events)
    assert re.search(r"event-002 \S+ \S+ \S+ \S+ lines and sums, status", events)
    assert re.search(r"payment.stated event-003 \S+ \S+ \S+ \S+ payment p1", events)
    assert "event-004" not in events
    assert "event-005" not in events


def test_events_are_found_by_the_day_that_a_number_was_given(
    reporter: Reporter, store: Store
) -> None:
    store.daily_tickets_since = dt.date(2026, 3, 1)
    store.save()
    for days in (0, 1):
        when = at(days * 24 * 60)
        reporter.report("order.created", when, order_id=17, lines=[line()])
        reporter.report("order.updated", when + dt.timedelta(1 / 24), order_id=17, lines=[line()])

    first, second = Order.objects.order_by("business_day")

    assert re.findall(r"event-\d+", words(first, "events")) == ["event-001", "event-002"]
    assert re.findall(r"event-\d+", words(second, "events")) == ["event-003", "event-004"]


def test_an_event_is_about_the_order_of_the_business_day_that_it_states(
    reporter: Reporter, store: Store
) -> None:
    store.daily_tickets_since = dt.date(2026, 3, 1)
    store.save()
    for minutes in (0, 5):
        lines = [line()]
        reporter.report(
            "order.stated", at(minutes), order_id="17", business_day="2026-03-01", lines=lines
        )

    shown = words(Order.objects.get(), "events")

    assert re.findall(r"event-\d+", shown) == ["event-001", "event-002"]


def test_the_page_of_an_order_reads_no_more_of_the_events_than_is_stated(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neural.restaurant.admin.order_events.MOST_NEAR", 2)
    stated(reporter, minutes=0)
    for number in range(3):
        stated(reporter, f"B{number}", minutes=1)
    stated(reporter, minutes=2)

    assert re.findall(r"event-\d+", words(order(), "events")) == ["event-005"]


def test_who_may_not_see_payments_or_events_sees_none(reporter: Reporter) -> None:
    stated(reporter)
    paid(reporter, "p1", "60")
    client = world.client_of("view_order")
    client_without = world.client_of("view_order", name="kim")
    from django.contrib.auth import get_user_model

    kim = get_user_model().objects.get(username="kim")
    kim.user_permissions.remove(*kim.user_permissions.filter(codename="view_neuralevent"))

    assert words(order(), "payments", client=client) == ""
    assert "p1" in words(order(), "events", client=client)
    assert words(order(), "events", client=client_without) == ""


def test_what_comes_from_a_till_is_never_markup(reporter: Reporter, store: Store) -> None:
    bad = "<script>x</script>"
    names = ("platform", "table", "member", "staff", "invoice", "note", "ticket")
    stated(
        reporter,
        bill=[{"kind": "discount", "amount": 1, "name": bad, "code": bad}],
        lines=[line(bad, 1, 9, options=[bad], note=bad)],
        replaces=bad,
        **dict.fromkeys(names, bad),
    )
    reporter.report(
        "payment.completed", at(9), payment_id=bad, order_id="9", amount="1", method=bad
    )
    refunded(store, bad, "1", reason=bad, lines=[{"name": bad, "amount": 1}])
    delivered(reporter, 20, "assigned", courier=bad)
    client = world.superuser()

    for row in (*Order.objects.all(), *store.payments.all()):
        assert bad not in client.get(world.page_of(row)).content.decode()
    for name in ("order", "payment"):
        assert bad not in client.get(world.list_of(name)).content.decode()
