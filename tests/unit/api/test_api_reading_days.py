"""GET /days/{store}/{day}."""

import pytest

from neural.models import RunState, TaskRun
from neural.restaurant.models import Order
from tests.unit.api.api_reading_world import Caller, event, fields, problem, run, store
from tests.unit.restaurant import business_days as business
from tests.unit.restaurant.business_days import DAY, close_day
from tests.unit.restaurant.history import Reporter, at, line

pytestmark = pytest.mark.django_db


@pytest.fixture
def till() -> Reporter:
    return Reporter(business.a_store())


def read(caller=None, day=DAY):
    return (caller or Caller("S1")).read(f"days/S1/{day}")


def by_name(figures):
    return {each["name"]: (each["ours"], each["stated"], each["difference"]) for each in figures}


def test_a_day_is_shown_with_money_as_decimal_strings(till):
    business.report_day(till)

    body = read()

    (cny,) = body["currencies"]
    sales, money = cny["sales"], cny["money"]
    assert (body["store"], body["day"], body["behind"]) == ("S1", str(DAY), False)
    assert (body["orders"]["placed"], body["orders"]["voided"]) == (5, 1)
    assert (cny["currency"], sales["orders"], sales["guests"]) == ("CNY", 5, 7)
    assert (sales["gross"], sales["discounts"], sales["total"]) == ("463.000", "58.000", "429.000")
    assert (sales["returned"], sales["net"]) == ("36.000", "393.000")
    assert (money["refunds"], money["reversed"]) == ("116.000", "80.000")
    assert money["taken_in"] == "374.000"  # what the platform pays out later is not taken in
    assert money["tenders"]["card"] == {
        "payments": 3,
        "paid": "209.000",
        "refunds": 1,
        "refunded": "36.000",
        "received": "173.000",
        "tips": "5.000",
    }


def test_a_close_that_is_right_agrees_and_names_the_tickets_that_have_not_arrived(till):
    business.report_day(till)
    close_day(till)

    body = read()

    (close,) = body["closes"]
    assert (close["till"], close["currency"], close["agrees"]) == ("T1", "CNY", True)
    assert by_name(close["figures"])["orders"] == ("5", "5", "0")
    assert by_name(close["tenders"])["cash"] == ("201.000", "201.000", "0.000")
    assert body["not_closed"] == []
    (missing,) = body["tickets_missing"]
    assert (missing["till"], missing["more"]) == ("T1", 0)
    assert [(gap["first"], gap["count"]) for gap in missing["gaps"]] == [("A-3", 1), ("A-8", 1)]


def test_a_close_that_differs_says_in_what_and_by_how_much(till):
    business.report_day(till)
    close_day(till, sums={"total": "430.00"}, guests=None, tenders={})

    (close,) = read()["closes"]

    assert close["agrees"] is False
    figures = by_name(close["figures"])
    assert figures["total"] == ("429.000", "430.000", "1.000")
    assert figures["guests"] == ("7", None, None)


def test_a_close_that_states_nothing_neither_agrees_nor_differs(till):
    till.report("day.closed", till="T1", business_day=str(DAY))

    assert read()["closes"][0]["agrees"] is None


def test_a_till_that_has_not_closed_is_named(till):
    business.report_day(till)

    assert read()["not_closed"] == ["T1"]


def test_what_is_owed_and_what_was_paid_too_much_are_the_balances_of_the_orders(till):
    for number, paid in (("1", "4"), ("2", "13.5"), ("3", "10")):
        business.order(till, number, at(0), line("rice", 1, "10"))
        business.pay(till, number, number, paid, at(1))
    till.report("order.status_changed", at(2), till="T1", order_id="3", status="voided")
    business.pay(till, "4", "4", "5", at(3))  # nobody knows what this order costs

    body = read()

    assert body["currencies"][0]["balance"] == {"owed": "6.000", "overpaid": "13.500"}
    balances = [each.balance for each in Order.objects.exclude(state="expected")]
    assert sorted(balances) == [-10, -3.5, 6]
    assert body["orders"]["unsettled"] == 4


def test_an_order_that_is_paid_on_the_next_day_is_owed_no_more(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    assert read()["currencies"][0]["balance"]["owed"] == "10.000"

    business.pay(till, "1", "1", "10", at(24 * 60))

    assert read()["currencies"][0]["balance"]["owed"] == "0.000"


def test_currencies_are_apart_also_that_of_an_order_that_counts_nowhere(till):
    business.order(till, "1", at(0), line("rice", 1, "10"))
    business.order(till, "2", at(0), line("rice", 1, "9"), currency="JPY")
    till.report("payment.stated", at(24 * 60), till="T1", order_id="2", payment_id="2", amount="9")
    till.report("order.status_changed", at(25 * 60), till="T1", order_id="2", status="cancelled")

    cny, jpy = read()["currencies"]

    assert (cny["currency"], cny["balance"]) == ("CNY", {"owed": "10.000", "overpaid": "0.000"})
    assert (jpy["currency"], jpy["balance"]) == ("JPY", {"owed": "0.000", "overpaid": "9.000"})
    assert jpy["sales"]["orders"] == 0


def test_events_of_the_day_that_wait_are_said(till):
    waiting = event("e1", occurred_at=at(0))
    run(event=waiting)

    assert read()["behind"] is True
    TaskRun.objects.update(state=RunState.SUCCEEDED, started_at=at(1), finished_at=at(1))
    assert read()["behind"] is False


def test_a_day_of_which_nothing_is_known_is_empty(till):
    body = read(day="1970-01-01")

    assert (body["currencies"], body["closes"], body["not_closed"]) == ([], [], [])
    assert set(body["orders"].values()) == {0}


def test_a_day_of_another_store_looks_exactly_like_none(till):
    business.report_day(till)
    other = Caller("S2")

    none = problem(other.get(f"days/S9/{DAY}"), 404)

    assert problem(other.get(f"days/S1/{DAY}"), 404) == none
    assert read(Caller())["store"] == "S1"


def test_a_day_has_the_orders_of_its_own_store_alone(till):
    business.report_day(till)
    store("S2")

    assert Caller("S1", "S2").read(f"days/S2/{DAY}")["currencies"] == []


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("S1/2026-02-30", {}, "path.day"),
        ("S1/today", {}, "path.day"),
        ("S1/0001-01-01", {}, "path.day"),
        ("%00/2026-03-02", {}, "path.store"),
        ("S1/2026-03-02", {"till": "T1"}, "query.till"),
    ],
)
def test_what_no_day_can_be_is_a_problem_that_names_it(path, query, field):
    assert fields(Caller().get(f"days/{path}", **query)) == [field]


def test_it_needs_the_scope(till):
    problem(Caller("S1", scopes=["events:write"]).get(f"days/S1/{DAY}"), 403)
