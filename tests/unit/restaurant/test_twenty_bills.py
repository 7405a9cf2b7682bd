"""The twenty bills of docs/explanation/tills.md: their payloads, sent through the handlers, end in
the rows of the table, and a till's own close of their day agrees."""

import json
import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from neural.models import Store
from neural.restaurant.admin.receipt import receipt_of
from neural.restaurant.days.summary import summarise
from neural.restaurant.models import DailyDemand, DayClose, Order
from tests.unit.restaurant.history import line
from tests.unit.restaurant.till_story import MONDAY, Till, the_order

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[3]
_ROW = re.compile(r"^\| (\d+) \| [^|]+ \| ((?:[^|]+ \| ){6}[^|]+) \|$", re.MULTILINE)


def section(page: str) -> str:
    """The part of a page that has the bills, in whatever language."""
    parts = (ROOT / "docs" / page).read_text().split("\n## ")
    (found,) = [part for part in parts if '"bill": 1' in part]
    return found


def rows(page: str) -> dict[int, list[str]]:
    """What follows from each bill: total, paid, undone, returned, owed, net and change."""
    found = _ROW.findall(section(page))
    return {int(bill): row.replace("−", "-").split(" | ") for bill, row in found}


def payloads(page: str) -> list[dict[str, Any]]:
    (block,) = re.findall(r"```json\n(.*?)```", section(page), re.DOTALL)
    return json.loads(block)


ROWS, BILLS = rows("explanation/tills.md"), payloads("explanation/tills.md")


@pytest.fixture
def till() -> Till:
    return Till(Store.objects.create(code="S1", time_zone="Asia/Shanghai"), "T1", MONDAY)


def state(till: Till, bill: dict[str, Any]) -> Order:
    """Sends a bill, and adds nothing but its ids and currency."""
    number = str(bill["bill"])
    till.tell("order.stated", **{"order_id": number, "currency": "CNY"} | bill["order"])
    for place, told in enumerate(bill.get("payments", ()), 1):
        till.paid(number, payment_id=str(place), **told)
    for place, told in enumerate(bill.get("refunds", ()), 1):
        till.refunded(number, refund_id=str(place), **told)
    return the_order(f"/T1/{MONDAY}/{number}")


def read(order: Order) -> list[Decimal]:
    change = sum((each.change or Decimal(0) for each in order.payments.all()), Decimal(0))
    money = (order.paid, order.reversed, order.returned, order.balance, order.net)
    return [order.counted, *money, change]


def test_both_languages_have_the_same_twenty_bills():
    assert list(ROWS) == [bill["bill"] for bill in BILLS] == list(range(1, 21))
    assert (rows("zh/explanation/tills.md"), payloads("zh/explanation/tills.md")) == (ROWS, BILLS)


@pytest.mark.parametrize("bill", BILLS, ids=lambda bill: f"bill {bill['bill']}")
def test_a_bill_of_the_table_ends_in_its_row(till, bill):
    order = state(till, bill)

    expected = [Decimal("0" if each == "–" else each) for each in ROWS[bill["bill"]]]
    assert read(order) == expected
    assert order.adds_up
    assert order.unsettled == bool(order.balance)


def test_the_close_of_their_day_agrees_with_them(till):
    """Its sums are those of the table, its tenders those of the payloads."""
    sums: defaultdict[str, list[Decimal]] = defaultdict(list)
    tenders: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for bill in BILLS:
        order = state(till, bill)
        sums[order.currency].append(Decimal(ROWS[bill["bill"]][0]))
        for sign, name in ((1, "payments"), (-1, "refunds")):
            for told in bill.get(name, ()):
                tenders[order.currency][told["tender"]] += sign * Decimal(told["amount"])
    for currency, totals in sums.items():
        told = {name: str(amount) for name, amount in tenders[currency].items()}
        total = {"total": str(sum(totals))}
        day = {"business_day": str(MONDAY), "till": "T1", "currency": currency}
        till.where = {}
        till.tell("day.closed", **day, sums=total, tenders=told)

    summary = summarise(till.store, MONDAY)

    assert DayClose.objects.count() == 3
    assert [each.agrees for each in summary.comparisons] == [True, True, True]
    (yuan,) = [each for each in summary.currencies if each.currency == "CNY"]
    net = sum(Decimal(ROWS[bill["bill"]][5]) for bill in BILLS if "currency" not in bill["order"])
    assert yuan.sales.net == net
    assert yuan.sales.deferred == 100  # the deposit that was taken and neither used nor kept
    assert yuan.sales.gross - yuan.sales.discounts + yuan.sales.charges == (
        yuan.sales.total - yuan.sales.tax - yuan.sales.rounding
    )
    assert yuan.money.not_taken_in["stored_value"] == 100


@pytest.mark.parametrize("field", ["quantity", "price", "discount", "amount"])
def test_a_negative_line_is_refused_and_the_reason_says_how_to_state_it(till, field):
    reason = "takes goods back states it as returned, and a discount is an entry of the bill"
    with pytest.raises(ValueError, match=reason):
        till.order("17", lines=[line("cup", **{"quantity": 1, "price": "6", field: "-1"})])


def test_what_is_taken_back_is_no_demand_and_is_shown_as_taken_off(till):
    order = state(till, BILLS[0])

    shown = receipt_of(order, None)

    assert [each.amount for each in shown.lines] == [10, -6]
    assert shown.items == 4
    assert [row.dish for row in DailyDemand.objects.all()] == ["tea set"]
