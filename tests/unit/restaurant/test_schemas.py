"""What the payloads of the built-in event types may say."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from neural.events.registry import handlers_of
from neural.events.types import event_type, event_types
from neural.restaurant.models import (
    DeliveryStatus,
    Dish,
    OpeningState,
    Order,
    OrderLine,
    Payment,
    Shift,
    StockLevel,
    TimeCard,
)
from neural.restaurant.models.amounts import rounded
from tests.unit.restaurant.history import line, sold

SCHEMAS = "neural.restaurant.schemas"
VALID: dict[str, dict[str, Any]] = {
    "order.created": {"order_id": "A1", "lines": [line()]},
    "order.updated": {"order_id": "A1", "lines": []},
    "order.cancelled": {"order_id": "A1", "reason": "guest left"},
    "payment.completed": {"payment_id": "P1", "order_id": "A1", "amount": "9.90"},
    "payment.refunded": {"refund_id": "R", "payment_id": "P1", "order_id": "A1", "amount": 9},
    "inventory.low": {"item": "flour", "level": 3, "threshold": 5, "unit": "kg"},
    "inventory.updated": {"item": "flour", "level": "-2.5"},
    "dish.updated": {"dish": "D1", "name": "红烧肉", "price": "48.00"},
    "staff.scheduled": {
        "staff_id": "E1",
        "shift_id": "W1",
        "starts_at": "2026-03-02T08:00",
        "ends_at": "2026-03-02T16:00",
    },
    "item.sold_out": {"dish": "D1", "until": "2026-03-02T18:00", "reason": "no eggs"},
    "item.available": {"name": "红烧肉", "till": "T1"},
    "feedback.received": {"text": "很好吃", "rating": 5},
    "sales.reported": {"day": "2026-03-02", "lines": [sold()]},
    "order.stated": {
        "till": "T1",
        "day": "2026-03-02",
        "order_id": "17",
        "lines": [line("soup", 2, "38", line_id="1", discount="6", options=["large"])],
        "bill": [
            {"kind": "discount", "amount": "10", "code": "coupon", "platform": "2"},
            {"kind": "rounding", "amount": "-0.90"},
        ],
        "total": "59.10",
        "status": "closed",
        "channel": "delivery",
        "phone_last4": "0042",
    },
    "order.status_changed": {"order_id": "A1", "status": "ready", "by": "kitchen"},
    "order.merged": {"into": "A1", "orders": ["A2", "A3"]},
    "payment.stated": {
        "payment_id": "P1",
        "order_id": "A1",
        "amount": "27",
        "tip": "5",
        "tender": "card",
    },
    "refund.stated": {"refund_id": "R1", "order_id": "A1", "amount": "36", "kind": "return"},
    "settlement.stated": {"order_id": "A1", "payout": "-0.50", "commission": "2.70"},
    "delivery.updated": {
        "order_id": "A1",
        "status": "picked_up",
        "courier": "李",
        "eta": "2026-03-02T12:40:00+08:00",
    },
    "menu.updated": {"items": [{"dish": "D1", "name": "红烧肉", "price": "48"}], "complete": True},
    "store.opened": {"at": "2026-03-02T10:00:00"},
    "store.closed": {"reason": "no power", "until": "2026-03-03T10:00:00"},
    "store.busy": {"until": "2026-03-02T13:00:00", "platform": "meituan"},
    "staff.clocked_in": {"timecard_id": "C1", "staff_id": "E1", "name": "李娜", "role": "cook"},
    "staff.clocked_out": {
        "timecard_id": "C1",
        "staff_id": "E1",
        "breaks": [{"starts_at": "2026-03-02T12:00", "ends_at": "2026-03-02T12:30"}],
    },
    "day.closed": {
        "till": "T1",
        "business_day": "2026-03-02",
        "orders": 2,
        "sums": {"total": "87.50", "rounding": "-0.90"},
        "tenders": {"cash": "60.50", "card": "27"},
    },
    "till.pushed": {"vendor": "square", "body": {"type": "order.updated"}, "headers": {"a": "b"}},
}
URGENT = {
    *("order.created", "order.updated", "order.cancelled", "order.stated", "order.status_changed"),
    *("order.merged", "payment.completed", "payment.refunded", "payment.stated", "refund.stated"),
    *("delivery.updated", "inventory.low", "inventory.updated"),
}
ORDINARY = VALID.keys() - URGENT
UNHANDLED = {"feedback.received"}
"""Types whose events are kept for people."""


def read(kind: str, **changes: Any) -> Any:
    """The valid payload of a type with some fields replaced, as it comes from JSON."""
    payload = json.loads(json.dumps({**VALID[kind], **changes}))
    return event_type(kind).schema.model_validate(payload)


def read_line(**changes: Any) -> Any:
    return read("order.created", lines=[{**line(), **changes}]).lines[0]


def refused_field(kind: str, **changes: Any) -> str:
    """Reads a payload that must be refused; returns the field that is named."""
    with pytest.raises(ValidationError) as refusal:
        read(kind, **changes)
    return ".".join(str(step) for step in refusal.value.errors()[0]["loc"])


def test_every_built_in_type_has_a_valid_example():
    own = {kind for kind in event_types() if kind.schema.__module__.startswith(SCHEMAS)}
    assert {kind.name for kind in own} == set(VALID)


@pytest.mark.parametrize("kind", VALID)
def test_a_valid_payload_is_read(kind):
    read(kind)


@pytest.mark.parametrize(
    ("queue", "priority", "types"),
    [("high_priority", 10, URGENT), ("default", 5, ORDINARY)],
)
def test_types_go_to_their_queue_with_their_priority(queue, priority, types):
    for name in types:
        assert (event_type(name).queue, event_type(name).priority) == (queue, priority)


def test_every_type_but_feedback_has_a_handler():
    without = {name for name in VALID if not handlers_of(name)}
    assert without == UNHANDLED


@pytest.mark.parametrize("kind", VALID)
def test_fields_that_a_schema_does_not_know_are_kept(kind):
    assert read(kind, weather=7).model_extra == {"weather": 7}


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in VALID for field in VALID[kind]]
)
def test_null_is_refused_where_a_value_is_required(kind, field):
    if event_type(kind).schema.model_fields[field].is_required():
        assert refused_field(kind, **{field: None}) == field


@pytest.mark.parametrize(
    "amount",
    ["NaN", "Infinity", "-Infinity", "-0.01", "1e400", "1E-400", "1000000000", "0.0001", True, ""],
)
def test_money_that_is_not_a_plain_amount_is_refused(amount):
    assert refused_field("payment.completed", amount=amount) == "amount"


@pytest.mark.parametrize("number", ["NaN", "Infinity", -1, "1000000", "0.0000001", False])
def test_quantities_are_finite_not_negative_and_below_a_million(number):
    with pytest.raises(ValidationError):
        read_line(quantity=number)


@given(st.decimals(0, 999_999, places=3, allow_nan=False))
def test_amounts_are_read_exactly(amount):
    assert read("payment.completed", amount=str(amount)).amount == amount


@pytest.mark.services
@given(st.integers(0, 99_999_999))
def test_a_number_that_json_wrote_as_a_float_is_the_decimal_that_was_meant(cents):
    assert read("payment.completed", amount=cents / 100).amount == Decimal(cents) / 100


def test_the_noise_of_a_float_sum_is_not_refused():
    assert read_line(price=3 * 4.1).price == Decimal("12.3")


def test_an_order_whose_total_no_column_can_hold_is_refused():
    dear = line(quantity="999999", price="999999999")
    assert refused_field("order.created", lines=[dear]) == ""


@given(
    st.lists(
        st.tuples(st.decimals(0, 999_999, places=3), st.decimals(0, 99_999, places=3)), max_size=5
    )
)
def test_what_is_accepted_fits_its_columns(pairs):
    lines = [line(quantity=str(quantity), price=str(price)) for quantity, price in pairs]
    try:
        order = read("order.created", lines=lines)
    except ValidationError:
        assert sum(rounded(quantity * price) for quantity, price in pairs) >= 10**9
        return
    for each in order.lines:
        for name in ("quantity", "price", "amount"):
            OrderLine._meta.get_field(name).run_validators(getattr(each, name))


@pytest.mark.parametrize(
    ("kind", "field", "model", "column"),
    [
        ("order.created", "order_id", Order, "number"),
        ("order.cancelled", "reason", Order, "cancel_reason"),
        ("payment.completed", "payment_id", Payment, "reference"),
        ("payment.completed", "order_id", Order, "number"),
        ("payment.completed", "method", Payment, "tender"),
        ("payment.refunded", "refund_id", Payment, "reference"),
        ("payment.refunded", "payment_id", Payment, "refund_of"),
        ("inventory.low", "item", StockLevel, "item"),
        ("inventory.updated", "unit", StockLevel, "unit"),
        ("dish.updated", "dish", Dish, "code"),
        ("dish.updated", "name", Dish, "name"),
        ("dish.updated", "category", Dish, "category"),
        ("staff.scheduled", "shift_id", Shift, "code"),
        ("staff.scheduled", "staff_id", Shift, "staff_code"),
        ("staff.scheduled", "name", Shift, "staff_name"),
        ("staff.scheduled", "role", Shift, "role"),
        ("staff.clocked_in", "timecard_id", TimeCard, "code"),
        ("staff.clocked_out", "staff_id", TimeCard, "staff_code"),
        ("staff.clocked_out", "name", TimeCard, "staff_name"),
        ("staff.clocked_in", "role", TimeCard, "role"),
        ("store.busy", "platform", OpeningState, "platform"),
        ("store.closed", "reason", OpeningState, "reason"),
        ("order.stated", "ticket", Order, "number"),
        ("order.stated", "table", Order, "table"),
        ("order.stated", "note", Order, "note"),
        ("order.status_changed", "reason", Order, "cancel_reason"),
        ("payment.stated", "payment_id", Payment, "reference"),
        ("refund.stated", "reason", Payment, "reason"),
    ],
)
def test_text_is_as_long_as_its_column_and_no_longer(kind, field, model, column):
    most = model._meta.get_field(column).max_length
    assert getattr(read(kind, **{field: "汉" * most}), field) == "汉" * most
    assert refused_field(kind, **{field: "汉" * (most + 1)}) == field


def test_ids_may_be_numbers_and_lose_the_blanks_around_them():
    assert read("order.created", order_id=1001).order_id == "1001"
    assert read("order.created", order_id=" A1\n").order_id == "A1"


@pytest.mark.parametrize("nothing", ["", "   ", None, True, [], {}])
def test_an_id_that_says_nothing_is_refused(nothing):
    assert refused_field("order.created", order_id=nothing) == "order_id"


def test_a_line_without_a_code_is_known_by_its_name():
    assert read_line(dish="", name="corkage").dish_code == "corkage"
    with pytest.raises(ValidationError, match="names no dish"):
        read_line(dish="", name="")


@pytest.mark.parametrize("currency", ["cny", "RMBX", "CNY\n", "¥", 7])
def test_a_currency_is_three_capitals(currency):
    assert refused_field("order.created", currency=currency) == "currency"


def test_a_currency_that_is_none_is_refused_with_an_example():
    with pytest.raises(ValidationError, match="must be three capitals of ISO 4217, like CNY"):
        read("order.stated", currency="¥")


@pytest.mark.parametrize("name", ["currency", "paid_currency"])
def test_rmb_is_refused_with_the_code_to_use(name):
    with pytest.raises(ValidationError, match="must be CNY: ISO 4217 has no RMB"):
        read("payment.stated", **{name: "RMB"})


@pytest.mark.parametrize("moment", ["soon", "0001-01-01T00:00Z", "9999-12-31T23:59:59Z", 10**15])
def test_times_that_no_clock_shows_are_refused(moment):
    assert refused_field("order.created", placed_at=moment) == "placed_at"


@pytest.mark.parametrize("day", ["2026-02-30", "0001-01-01", "9999-12-31", "2026-03-02T10:00"])
def test_days_that_no_calendar_shows_are_refused(day):
    assert refused_field("sales.reported", day=day) == "day"


def test_a_shift_must_end_after_it_starts():
    with pytest.raises(ValidationError, match="after starts_at"):
        read("staff.scheduled", ends_at="2026-03-02T08:00")


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [("12:30", "12:00"), ("12:00", "12:00"), ("12:00Z", "12:00Z")],
)
def test_a_break_must_end_after_it_starts(starts_at, ends_at):
    moments = {"starts_at": f"2026-03-02T{starts_at}", "ends_at": f"2026-03-02T{ends_at}"}
    with pytest.raises(ValidationError, match="after starts_at"):
        read("staff.clocked_out", breaks=[moments])


def test_a_delivery_has_the_statuses_that_its_column_knows():
    for status in DeliveryStatus.values:
        assert read("delivery.updated", status=status).status == status
    assert refused_field("delivery.updated", status="eaten") == "status"


def test_a_dish_of_a_menu_is_read_as_a_dish_alone():
    dish = {"dish": "D1", "name": "soup", "price": "-1"}
    assert refused_field("menu.updated", items=[dish]) == "items.0.price"
    spicy = read("menu.updated", items=[{**dish, "price": "1", "spicy": 2}]).items[0]
    assert (spicy.available, spicy.model_extra) == (True, {"spicy": 2})


@pytest.mark.parametrize(
    ("kind", "field", "most", "one"),
    [
        ("menu.updated", "items", 5000, {"dish": "D1", "name": "soup"}),
        ("order.stated", "lines", 1000, line()),
        ("order.stated", "bill", 200, {"kind": "tax", "amount": 1}),
        ("order.merged", "orders", 100, "A2"),
    ],
)
def test_lists_have_a_largest_length(kind, field, most, one):
    assert len(getattr(read(kind, **{field: [one] * most}), field)) == most
    assert refused_field(kind, **{field: [one] * (most + 1)}) == field


@pytest.mark.parametrize("kind", ["discount", "charge", "tax"])
def test_only_a_rounding_is_signed(kind):
    assert refused_field("order.stated", bill=[{"kind": kind, "amount": "-1"}]) == "bill.0"
    read("order.stated", bill=[{"kind": "rounding", "amount": "-1"}])


@pytest.mark.parametrize("digits", ["12", "12345", "12a4", "+123"])
def test_of_a_phone_number_only_the_last_four_digits_are_taken(digits):
    assert refused_field("order.stated", phone_last4=digits) == "phone_last4"


@pytest.mark.parametrize("rating", [0, 6, 4.5, "great"])
def test_a_rating_is_a_whole_number_from_one_to_five(rating):
    assert refused_field("feedback.received", rating=rating).startswith("rating")
