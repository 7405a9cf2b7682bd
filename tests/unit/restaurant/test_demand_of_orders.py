"""What the lines of orders add to daily demand."""

from decimal import Decimal
from typing import Any

import pytest

from neural.models import Store
from neural.restaurant.models import DailyDemand
from tests.unit.restaurant.history import Reporter, at

pytestmark = pytest.mark.django_db


@pytest.fixture
def till() -> Reporter:
    return Reporter(Store.objects.create(code="S1", name="S1"))


def line(dish: str, quantity: Any = 1, price: Any = 10, **more: Any) -> dict[str, Any]:
    return {"dish": dish, "quantity": quantity, "price": price, **more}


def modifier(dish: str, parent: str, price: Any = 3, **more: Any) -> dict[str, Any]:
    return line(dish, 1, price, role="modifier", parent=parent, **more)


def states(till: Reporter, *lines: dict[str, Any], minute: int = 0, **more: Any) -> None:
    order = {"order_id": "A1", "lines": list(lines), **more}
    till.report("order.stated", at(minute), **order)


def demand() -> dict[str, tuple[Decimal, Decimal | None]]:
    """Portions and revenue by dish."""
    rows = DailyDemand.objects.values_list("dish", "quantity", "revenue")
    return {dish: (quantity, revenue) for dish, quantity, revenue in rows}


def test_a_gift_is_demand_without_revenue(till):
    states(till, line("tea", 2, state="gift"), line("tea", 1))
    assert demand() == {"tea": (3, 10)}


def test_a_void_line_counts_nowhere(till):
    states(till, line("tea"), line("soup", 5, state="void"))
    assert demand() == {"tea": (1, 10)}


def test_a_top_up_is_no_sale(till):
    states(till, line("tea"), line("card", 1, 500, role="deferred"))
    assert demand() == {"tea": (1, 10)}


def test_a_combo_and_each_of_its_parts_count_as_their_own_dishes(till):
    parts = [
        line("rice", 2, 0, role="component", parent="1"),
        line("cola", 2, 0, role="component", parent="1"),
    ]
    states(till, line("menu A", 2, 30, line_id="1"), *parts, line("cola", 1, 5))
    assert demand() == {"menu A": (2, 60), "rice": (2, 0), "cola": (3, 5)}


def test_the_revenue_of_a_modifier_belongs_to_the_dish_that_it_changes(till):
    lines = [line("noodles", 2, line_id="1"), modifier("egg", "1"), line("egg", 1, 4)]
    states(till, *lines)
    assert demand() == {"noodles": (2, 23), "egg": (1, 4)}


def test_a_modifier_does_not_give_its_name_to_the_dish(till):
    lines = [line("N", name="noodles", line_id="1"), modifier("Z", "1", name="zest")]
    states(till, *lines)
    assert DailyDemand.objects.get().name == "noodles"


def test_a_modifier_of_a_modifier_belongs_to_the_dish_of_the_latter(till):
    lines = [line("noodles", line_id="1"), modifier("egg", "1", line_id="2")]
    states(till, *lines, modifier("double", "2", price=1))
    assert demand() == {"noodles": (1, 14)}


def test_a_modifier_of_a_part_of_a_combo_belongs_to_that_part(till):
    part = line("cola", 1, 0, role="component", parent="1", line_id="2")
    states(till, line("menu A", line_id="1"), part, modifier("large", "2"))
    assert demand() == {"menu A": (1, 10), "cola": (1, 3)}


def test_a_modifier_that_costs_nothing_leaves_no_trace(till):
    states(till, line("noodles", line_id="1"), modifier("no onions", "1", price=0))
    assert demand() == {"noodles": (1, 10)}


@pytest.mark.parametrize("parent", ["", "7", "2"])  # the last is its own id
def test_money_for_a_modifier_of_no_known_line_is_kept_under_its_own_name(till, parent):
    states(till, line("noodles", line_id="1"), modifier("egg", parent, line_id="2"))
    assert demand() == {"noodles": (1, 10), "egg": (0, 3)}


def test_modifiers_in_a_circle_keep_their_money(till):
    states(till, modifier("a", "2", line_id="1"), modifier("b", "1", line_id="2"))
    assert demand() == {"a": (0, 3), "b": (0, 3)}


def test_a_modifier_is_looked_up_in_its_own_order(till):
    states(till, line("tea", line_id="1"), modifier("honey", "1"))
    states(till, line("soup", line_id="1"), modifier("bread", "1"), order_id="A2")
    assert demand() == {"tea": (1, 13), "soup": (1, 13)}


def test_what_a_guest_returned_was_cooked(till):
    states(till, line("tea", 2), total=20)
    returned = [{"name": "tea", "quantity": 2, "amount": 20}]
    till.report("refund.stated", at(9), refund_id="R1", order_id="A1", amount=20, lines=returned)
    assert demand() == {"tea": (2, 20)}


def test_an_order_of_which_only_a_payment_is_known_is_no_demand(till):
    till.report("payment.stated", payment_id="P1", order_id="A1", amount=20)
    assert demand() == {}


@pytest.mark.parametrize("status", ["rejected", "cancelled", "voided", "merged"])
def test_an_order_that_counts_nowhere_is_no_demand(till, status):
    states(till, line("tea"))
    till.report("order.status_changed", at(5), order_id="A1", status=status)
    assert demand() == {}


def test_the_source_of_a_merge_is_no_demand_beside_its_survivor(till):
    states(till, line("tea"))
    states(till, line("soup"), line("tea"), order_id="A2", minute=1)
    till.report("order.merged", at(2), into="A2", orders=["A1"])
    assert demand() == {"soup": (1, 10), "tea": (1, 10)}


def test_weights_add_up_as_decimals(till):
    states(till, line("fish", "0.412", 80), line("fish", "0.333", 80))
    assert demand() == {"fish": (Decimal("0.745"), Decimal("59.600"))}
