"""What the door refuses of tills' events, so that all that it accepts can be stored; and that it
asks of the types of the first version what it always asked."""

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

import neural
from neural.events.types import event_type
from neural.models import RefusedEvent, Store
from neural.restaurant.models import StockLevel
from neural.restaurant.schemas.fields import LARGEST_TOTAL
from tests.unit.restaurant.history import line
from tests.unit.restaurant.till_story import Till, bill, the_order

MOST = "999999999.999"
TOO_MUCH = f"add up to {LARGEST_TOTAL:,} or more"

FIRST_VERSION = {
    "order.created": ({"order_id", "lines"}, {"currency", "placed_at"}),
    "order.updated": ({"order_id", "lines"}, {"currency", "placed_at"}),
    "order.cancelled": ({"order_id"}, {"reason"}),
    "payment.completed": ({"payment_id", "order_id", "amount"}, {"method", "currency"}),
    "payment.refunded": ({"refund_id", "payment_id", "order_id", "amount"}, {"currency"}),
}


def check(kind: str, /, **payload: Any) -> Any:
    return event_type(kind).schema.model_validate(payload)


def refused(kind: str, /, **payload: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        check(kind, **payload)
    return str(caught.value)


def order(**more: Any) -> dict[str, Any]:
    return {"order_id": "17", "lines": [], **more}


@pytest.mark.parametrize("kind", FIRST_VERSION)
def test_the_types_of_the_first_version_have_no_other_fields(kind):
    fields = event_type(kind).schema.model_fields
    required = {name for name, field in fields.items() if field.is_required()}
    assert (required, set(fields) - required) == FIRST_VERSION[kind]


def test_what_the_first_version_did_not_know_is_still_no_reason_to_refuse():
    check("order.created", **order(status=7, bill="none", total="much", business_day="some day"))
    told = {"payment_id": "P1", "order_id": "17", "amount": 1}
    check("payment.completed", **told, tip="no", status="odd", given=[], till={}, day="tomorrow")


class TestSums:
    @pytest.mark.parametrize(
        "lines",
        [
            [line("a", 999_999, "2000")],
            [line("a", 1, "500000000")] * 2,
            [line("a", 1, MOST), line("b", 1, "0.001")],
        ],
    )
    def test_lines_that_exceed_their_columns_are_refused(self, lines):
        assert f"the lines {TOO_MUCH}" in refused("order.stated", **order(lines=lines))

    def test_a_bill_that_exceeds_its_columns_is_refused(self):
        entries = [bill("charge", "500000000"), bill("rounding", "-500000000")]
        assert f"the entries of the bill {TOO_MUCH}" in refused(
            "order.stated", **order(bill=entries)
        )

    def test_a_void_line_costs_nothing_however_wrong_it_is(self):
        check("order.stated", **order(lines=[line("a", 999_999, MOST, state="void")]))

    def test_a_total_is_not_negative_and_fits(self):
        refused("order.stated", **order(total="-0.01"))
        refused("order.stated", **order(total=str(LARGEST_TOTAL)))

    @pytest.mark.parametrize("kind", ["discount", "charge", "tax"])
    def test_only_rounding_has_a_sign(self, kind):
        assert "its kind says its sign" in refused("order.stated", **order(bill=[bill(kind, "-1")]))
        check("order.stated", **order(bill=[bill("rounding", "-1")]))

    @pytest.mark.django_db
    def test_the_largest_order_is_stored(self):
        till = Till(Store.objects.create(code="S1"))
        lines = [line("a", 1, MOST), *[line("b", 1, 0, discount=MOST)] * 999]
        entries = [bill("charge", MOST, platform=MOST), *[bill("tax", 0, platform=MOST)] * 199]
        till.order("17", lines=lines, bill=entries, total=0, guests=10_000)
        till.paid("17", MOST, tip=MOST, given=MOST, fee=MOST)
        till.tell("settlement.stated", order_id="17", payout=f"-{MOST}", commission=MOST)
        stored = the_order()
        assert stored.difference == -2 * Decimal(MOST)
        assert stored.line_discounts == 1000 * Decimal(MOST) - Decimal(MOST)


class TestLimits:
    def test_a_thousand_lines_and_two_hundred_entries_are_the_most(self):
        assert "lines" in refused("order.stated", **order(lines=[line()] * 1001))
        assert "bill" in refused("order.stated", **order(bill=[bill("tax", "0")] * 201))

    @pytest.mark.parametrize(
        ("kind", "payload"),
        [
            ("order.stated", order(order_id="")),
            ("order.stated", order(order_id=" ")),
            ("order.stated", order(status="eaten")),
            ("order.stated", order(guests=-1)),
            ("order.stated", order(phone_last4="12345")),
            ("order.stated", order(till="x" * 61)),
            ("order.stated", order(day="yesterday")),
            ("order.stated", order(lines=[line("", 1, "1")])),
            ("order.stated", order(lines=[line("a", -1, "1")])),
            ("order.status_changed", {"order_id": "17", "status": ""}),
            ("order.merged", {"into": "17", "orders": []}),
            ("order.merged", {"into": "", "orders": ["18"]}),
            ("payment.stated", {"order_id": "17", "payment_id": "", "amount": 1}),
            ("payment.stated", {"order_id": "17", "payment_id": "P", "amount": -1}),
            ("payment.stated", {"order_id": "17", "payment_id": "P", "amount": True}),
            ("refund.stated", {"order_id": "17", "refund_id": "R", "amount": 1, "kind": ""}),
            ("settlement.stated", {"order_id": "17", "payout": "NaN"}),
        ],
    )
    def test_what_cannot_be_an_order_is_refused(self, kind, payload):
        refused(kind, **payload)

    def test_an_error_does_not_tell_what_was_sent(self):
        lines = [line("secret soup", 999_999, "2000")]
        assert "secret" not in refused("order.stated", **order(lines=lines))

    def test_what_is_accepted_is_plain_json(self):
        told = check("order.stated", **order(lines=[line("a", 0.1, 12.3)]))
        assert json.loads(told.model_dump_json())["lines"][0]["price"] == "12.3"


def test_rates_and_taxes_of_lines_may_have_more_places_than_money() -> None:
    """Some tills state them so, and they are told alone: an order is not refused for them."""
    entry = {"kind": "tax", "amount": "1", "rate": 0.08875}
    stated = check("order.stated", **order(lines=[line(tax="1.6667")], bill=[entry]))

    assert str(stated.bill[0].rate) == "0.08875"
    assert stated.lines[0].tax == Decimal("1.667")


def test_a_sum_or_tender_that_is_none_is_named_as_the_till_wrote_it():
    sums = {"business_day": "2026-03-01", "sums": {"sales": 1}, "tenders": {"visa": 1}}
    answer = neural.submit(
        type="day.closed", store="S01", source="T1", event_id="1", payload=sums, dry_run=True
    )

    places = [problem.field for problem in answer.problems]
    assert places == ["payload.sums.sales", "payload.tenders.visa"]


PAID = {"order_id": "17", "payment_id": "P1", "amount": "1079"}
BACK = {"order_id": "17", "refund_id": "R1", "payment_id": "P1", "amount": "1079"}
CLOSE = {"business_day": "2026-03-02", "currency": "JPY"}


@pytest.mark.django_db
class TestDigitsOfACurrency:
    @pytest.mark.parametrize(
        ("kind", "field", "payload"),
        [
            ("order.stated", "total", order(total="1079.5")),
            ("payment.stated", "amount", PAID | {"amount": "1079.5"}),
            ("payment.stated", "tip", PAID | {"tip": 0.5}),
            ("payment.stated", "given", PAID | {"given": "1200.01"}),
            ("payment.completed", "amount", PAID | {"amount": 1079.5}),
            ("refund.stated", "amount", BACK | {"amount": "1079.5"}),
            ("payment.refunded", "amount", BACK | {"amount": "1079.5"}),
            ("day.closed", "sums.total", CLOSE | {"sums": {"total": "1079.5"}}),
            ("day.closed", "tenders.cash", CLOSE | {"tenders": {"cash": "-0.5"}}),
        ],
    )
    @pytest.mark.parametrize("dry_run", [False, True])
    def test_more_of_them_are_refused_by_submit_and_in_a_dry_run(
        self, kind, field, payload, dry_run
    ):
        def submitted(currency: str) -> Any:
            stated = {**payload, "currency": currency}
            event = {"type": kind, "store": "S1", "source": "T1", "event_id": f"{kind}{currency}"}
            return neural.submit(**event, payload=stated, dry_run=dry_run)

        assert str(submitted("JPY").problems[0]) == (
            f"payload.{field}: has more than the 0 decimals of JPY"
        )
        assert not submitted("CNY").is_refused
        assert not submitted("").is_refused  # nobody knows how many they are
        assert RefusedEvent.objects.count() == (0 if dry_run else 1)

    def test_what_was_recorded_before_is_handled_and_marks_its_order(self):
        till = Till(Store.objects.create(code="S1"))
        till.order("17", 1080, currency="JPY")
        till.paid("17", "1079.5", currency="JPY")
        assert the_order().unsettled

    def test_a_field_that_the_first_version_did_not_know_is_no_amount(self):
        event = {"type": "payment.completed", "store": "S1", "source": "T1", "event_id": "1"}
        stated = {**PAID, "tip": 0.5, "given": {}, "currency": "JPY"}
        assert not neural.submit(**event, payload=stated).is_refused


@pytest.mark.django_db
def test_a_quantity_has_six_places_and_money_three():
    till = Till(Store.objects.create(code="S1", time_zone="Asia/Shanghai"))
    till.order("17", lines=[line("saffron", "0.000385", "9999")], currency="CNY")
    saffron = the_order().lines.get()
    assert (saffron.quantity, saffron.amount) == (Decimal("0.000385"), Decimal("3.85"))
    till.tell("inventory.updated", item="saffron", level="-1.000385", threshold="0.0005")
    level = StockLevel.objects.get()
    assert (level.level, level.threshold) == (Decimal("-1.000385"), Decimal("0.0005"))
    refused("order.stated", **order(lines=[line("saffron", "0.0000001", "9999")]))
    refused("payment.stated", **PAID | {"amount": "0.0001"})
