"""What lines and bill of an order add up to. The worked examples are those of the common model."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural.restaurant.bill import Sums, add_up, amount_of
from neural.restaurant.models import Order
from neural.restaurant.models.amounts import digits_of, rounded
from neural.restaurant.schemas.tills import BillEntry, StatedLine


def line(quantity="1", price="0", **more) -> StatedLine:
    return StatedLine(dish="soup", quantity=quantity, price=price, **more)


def entry(kind: str, amount: str, **more) -> BillEntry:
    return BillEntry(kind=kind, amount=amount, **more)


def sums(*lines: StatedLine, bill=(), total=None, digits=2) -> Sums:
    stated = None if total is None else Decimal(total)
    return add_up([(each, amount_of(each, digits=digits)) for each in lines], bill, stated=stated)


def amount(*, digits=2, **fields) -> Decimal:
    return amount_of(line(**fields), digits=digits)


def order(added: Sums, *, state="placed", **money: str) -> Order:
    values = {name: getattr(added, name) for name in Sums.__dataclass_fields__}
    return Order(state=state, **values, **{name: Decimal(value) for name, value in money.items()})


class TestWorkedExamples:
    def test_dine_in_with_a_modifier_a_gift_a_coupon_service_and_rounding(self):
        lines = (
            line("2", "38"),
            line("3", "3"),
            line("1", "88"),
            line("1", "6", role="modifier"),
            line("1", "18", state="gift"),
        )
        gross = sum(each.quantity * each.price for each in lines)
        bill = (
            entry("discount", "20"),
            entry("charge", "15.90"),
            entry("rounding", "-0.90"),
        )
        added = sums(*lines, bill=bill, total="174.00")
        assert (gross, added.items) == (197, 179)
        assert added.items - added.discounts == 159
        assert (added.total, added.difference) == (174, 0)
        assert order(added, paid="174").balance == 0

    def test_platform(self):
        bill = (
            entry("charge", "2", code="packing"),
            entry("charge", "3", code="delivery", platform="3"),
            entry("discount", "10", platform="2"),
        )
        added = sums(line("1", "24"), bill=bill, total="19")
        assert (added.total, added.difference) == (19, 0)
        assert (added.platform_discounts, added.platform_charges) == (2, 3)
        paid_out = order(added, commission="2.70").expected_payout
        assert paid_out == Decimal("15.30") == 24 + 2 - 8 - Decimal("2.70")

    def test_partial_refund(self):
        added = sums(line("1", "60"), line("1", "40"), bill=(entry("discount", "10"),))
        after = order(added, paid="90", refunded="36", returned="36")
        assert (added.total, after.balance, after.net) == (90, 0, 54)

    def test_split(self):
        added = sums(line("1", "24"), line("1", "18"), line("1", "8"), bill=(entry("tax", "4"),))
        assert added.total == 54
        assert order(added, paid="54", tips="5").balance == 0

    def test_reopened_with_the_same_id(self):
        assert order(sums(line("1", "80")), paid="80").balance == 0
        assert order(sums(line("1", "92")), paid="92").balance == 0

    def test_reopened_with_a_new_id(self):
        voided = order(sums(line("1", "80")), state="cancelled", paid="80", refunded="80")
        assert (voided.counted, voided.balance) == (0, 0)
        assert order(sums(line("1", "92")), paid="92").balance == 0
        assert order(sums(line("1", "80")), state="cancelled", paid="80").balance == -80


class TestAmounts:
    @pytest.mark.parametrize(
        ("currency", "expected"),
        [("JPY", "334"), ("CNY", "333.67"), ("KWD", "333.667"), ("", "333.667"), ("XTS", "333.67")],
    )
    def test_an_amount_has_its_currencys_digits(self, currency, expected):
        digits = digits_of(currency)
        assert amount(quantity="0.667", price="500.25", digits=digits) == Decimal(expected)

    def test_half_is_rounded_up(self):
        assert amount(quantity="0.5", price="0.01") == Decimal("0.01")

    def test_a_weight_is_a_quantity(self):
        assert amount(quantity="0.355", price="58.00") == Decimal("20.59")

    def test_a_lines_own_discount_is_taken_off_once(self):
        added = sums(line("2", "38", discount="6"))
        assert (added.items, added.line_discounts, added.total) == (70, 6, 70)

    def test_a_gift_and_a_void_line_add_nothing_nor_do_their_discounts(self):
        added = sums(
            line("1", "5"), *(line("1", "9", discount="1", state=s) for s in ("gift", "void"))
        )
        assert (added.items, added.line_discounts, added.total) == (5, 0, 5)

    def test_a_discount_greater_than_its_line_leaves_nothing_and_shows_as_a_difference(self):
        assert amount(quantity="1", price="5", discount="8") == 0
        assert sums(line("1", "5", discount="8"), line("1", "20"), total="17").difference == -3

    def test_a_top_up_is_paid_but_no_sale(self):
        added = sums(line("1", "30"), line("1", "200", role="deferred"))
        assert (added.items, added.deferred, added.total) == (230, 200, 230)


class TestEntries:
    def test_rounding_has_a_sign(self):
        assert sums(line("1", "9.98"), bill=(entry("rounding", "0.02"),)).total == 10
        assert sums(line("1", "10.02"), bill=(entry("rounding", "-0.02"),)).total == 10

    def test_included_tax_is_told_and_not_added(self):
        added = sums(line("1", "106"), bill=(entry("tax", "6", included=True), entry("tax", "1")))
        assert (added.total, added.tax, added.tax_included) == (107, 1, 6)

    def test_a_discount_or_charge_is_added_up_whether_or_not_it_says_included(self):
        bill = (entry("charge", "3", included=True), entry("discount", "1", included=True))
        assert sums(line("1", "10"), bill=bill).total == 12

    def test_a_bill_that_would_be_negative_is_nothing_and_the_difference_is_told(self):
        added = sums(line("1", "5"), bill=(entry("discount", "8"),))
        assert (added.total, added.difference) == (0, 3)

    def test_a_stated_total_is_kept_and_the_difference_is_told(self):
        added = sums(line("1", "10"), total="9.99")
        assert (added.total, added.difference) == (Decimal("9.99"), Decimal("-0.01"))

    def test_an_empty_order_adds_up_to_nothing(self):
        assert sums() == Sums(total=Decimal(0))


MONEY = st.decimals(0, 1000, places=3)
LINES = st.lists(
    st.builds(
        line,
        quantity=MONEY,
        price=MONEY,
        discount=MONEY,
        state=st.sampled_from(("sold", "gift", "void")),
        role=st.sampled_from(("item", "modifier", "component", "deferred")),
    ),
    max_size=5,
)
ENTRIES = st.lists(
    st.builds(
        entry,
        st.sampled_from(("discount", "charge", "tax")),
        MONEY,
        included=st.booleans(),
        platform=MONEY,
    )
    | st.builds(entry, st.just("rounding"), st.decimals(-10, 10, places=3)),
    max_size=5,
)


@given(LINES, ENTRIES, st.none() | MONEY, st.sampled_from((0, 2, 3)))
def test_total_less_difference_always_equals_the_parts(lines, bill, total, digits):
    added = sums(*lines, bill=bill, total=total, digits=digits)
    of = {"discount": -1, "charge": 1, "tax": 1, "rounding": 1}
    parts = sum(
        of[each.kind] * each.amount for each in bill if not (each.kind == "tax" and each.included)
    )
    items = Decimal(0)
    for each in lines:
        if each.state == "sold":
            gross = rounded(each.quantity * each.price, digits)
            items += max(Decimal(0), gross - each.discount)
    assert added.total - added.difference == items + parts
    assert added.total >= 0
    assert total is None or added.total == total
