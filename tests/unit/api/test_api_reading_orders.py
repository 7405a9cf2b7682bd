"""GET /orders/{store}/{order}."""

import datetime as dt
from urllib.parse import quote

import pytest

from neural.models import Store
from neural.restaurant.models import Order
from tests.unit.api.api_reading_world import Caller, event, fields, problem, store
from tests.unit.restaurant.history import Reporter, at, handle, line, record

pytestmark = pytest.mark.django_db

DAY = "2026-03-02"


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(store("S1"))


def stated(reporter, order_id="A-17", minutes=0, **order):
    order = {"currency": "CNY", "lines": [line(price="60.5", quantity=2)], **order}
    reporter.report("order.stated", at(minutes), order_id=order_id, **order)


def read(key, caller=None, **query):
    return (caller or Caller("S1")).read(f"orders/S1/{quote(key, safe='')}", **query)


def test_an_order_is_shown_as_stored_with_money_as_decimal_strings(reporter):
    stated(
        reporter,
        bill=[{"kind": "discount", "amount": "1", "name": "Friend"}],
        table="A4",
        guests=2,
        note="少辣",
    )
    reporter.report("payment.stated", at(10), payment_id="P1", order_id="A-17", amount="100.1")
    refund = {"refund_id": "R1", "order_id": "A-17", "amount": "0.1", "refund_of": "P1"}
    handle(record(Store.objects.get(pk="S1"), "refund.stated", at(20), "R1", refund))

    body = read("A-17")

    order = Order.objects.get()
    assert (body["store"], body["key"], body["number"]) == ("S1", "A-17", "A-17")
    assert (body["state"], body["status"], body["table"]) == ("placed", "open", "A4")
    assert (body["guests"], body["note"], body["currency"]) == (2, "少辣", "CNY")
    assert body["placed_at"].endswith("Z")
    assert body["business_day"] == order.business_day.isoformat()
    (only,) = body["lines"]
    assert (only["quantity"], only["price"], only["amount"]) == ("2.000", "60.500", "121.000")
    assert body["bill"] == [{"kind": "discount", "amount": "1", "name": "Friend"}]
    sums = body["sums"]
    assert (sums["items"], sums["discounts"], sums["total"]) == ("121.000", "1.000", "120.000")
    assert (sums["paid"], sums["refunded"]) == ("100.100", "0.100")
    assert sums["owed"] == f"{order.balance:f}"
    assert [(each["id"], each["kind"], each["amount"]) for each in body["payments"]] == [
        ("P1", "payment", "100.100"),
        ("R1", "refund", "0.100"),
    ]


def test_an_order_of_a_till_is_found_by_its_number_with_till_and_day(reporter):
    stated(reporter, till="T/1", day=DAY)
    stated(reporter, "B-1", till="T1")
    caller = Caller("S1")

    dated = read("A-17", caller, till="T/1", day=DAY)

    assert (dated["key"], dated["till"], dated["number"]) == (f"/T%2F1/{DAY}/A-17", "T/1", "A-17")
    assert read("B-1", caller, till="T1")["key"] == "/T1/B-1"
    problem(caller.get("orders/S1/A-17"), 404)
    problem(caller.get("orders/S1/A-17", till="T1", day=DAY), 404)


def test_an_order_is_found_by_its_key_encoded_for_a_url(reporter):
    stated(reporter, "A/17%", till="T1", day=DAY)
    key = Order.objects.get().key
    assert key == f"/T1/{DAY}/A%2F17%25"

    assert read(key)["key"] == key


def test_a_key_whose_double_slash_a_proxy_merged_is_found(reporter):
    stated(reporter, till="T1", day=DAY)

    assert read(f"T1/{DAY}/A-17")["key"] == f"/T1/{DAY}/A-17"


def test_a_number_that_contains_a_slash_is_found(reporter):
    stated(reporter, "2026/17")

    assert read("2026/17")["number"] == "2026/17"


def test_an_order_of_which_only_a_payment_is_known_is_expected(reporter):
    reporter.report("payment.stated", at(10), payment_id="P1", order_id="A-17", amount="5")

    body = read("A-17")

    assert (body["state"], body["lines"], body["placed_at"]) == ("expected", [], None)
    assert body["sums"]["owed"] == "-5.000"


def test_a_cancelled_order_says_why_and_its_statuses(reporter):
    stated(reporter)
    reporter.report(
        "order.status_changed", at(5), order_id="A-17", status="voided", reason="guest left"
    )

    body = read("A-17")

    assert (body["state"], body["status"], body["cancel_reason"]) == (
        "cancelled",
        "voided",
        "guest left",
    )
    assert [each["status"] for each in body["statuses"]] == ["voided"]


def test_an_order_of_another_store_looks_exactly_like_none(reporter):
    stated(reporter)
    store("S2")
    event(at="S3")
    other = Caller("S2")

    none = problem(other.get("orders/S1/unknown"), 404)

    assert problem(other.get("orders/S1/A-17"), 404) == none
    assert problem(other.get("orders/S9/A-17"), 404) == none
    assert problem(Caller("S1", "S2").get("orders/S2/A-17"), 404) == none
    assert read("A-17", Caller())["store"] == "S1"


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("S1/%00", {}, "path.order"),
        ("%00/1", {}, "path.store"),
        ("S1/" + "x" * 201, {}, "path.order"),
        ("x" * 65 + "/1", {}, "path.store"),
        ("S1/1", {"till": "\x00"}, "query.till"),
        ("S1/1", {"day": "2026-02-30"}, "query.day"),
        ("S1/1", {"day": "0001-01-01"}, "query.day"),
        ("S1/1", {"number": "1"}, "query.number"),
    ],
)
def test_what_no_order_can_have_is_a_problem_that_names_it(path, query, field):
    assert fields(Caller().get(f"orders/{path}", **query)) == [field]


@pytest.mark.parametrize("order", ["%FF", "%ED%A0%80", "..", "%2e%2e%2f", "🍜", "'--", "1" * 200])
def test_a_strange_key_is_simply_not_found(order):
    problem(Caller().get(f"orders/S1/{order}"), 404)


def test_a_day_alone_is_of_the_till_without_a_name(reporter):
    Store.objects.filter(pk="S1").update(daily_tickets_since=dt.date(2026, 1, 1))
    reporter = Reporter(Store.objects.get(pk="S1"))
    stated(reporter, "12", day=DAY)

    assert read("12", day=DAY)["business_day"] == DAY


def test_it_needs_the_scope():
    problem(Caller("S1", scopes=["search"]).get("orders/S1/1"), 403)


@pytest.mark.parametrize(
    ("stated_as", "shown"),
    [(2, "2.000"), ("0.000385", "0.000385"), ("1.2500", "1.250"), ("1.23450", "1.2345")],
)
def test_a_quantity_has_three_places_or_as_many_more_as_it_needs(reporter, stated_as, shown):
    stated(reporter, lines=[line(quantity=stated_as)])

    (only,) = read("A-17")["lines"]

    assert only["quantity"] == shown
