"""Amounts, times, texts and signatures as platforms write them."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.hooks.platforms import amounts, toast
from neural.hooks.platforms.amounts import (
    digits_of,
    from_epoch,
    from_iso,
    major,
    minor,
    padded,
    written,
)
from neural.hooks.platforms.base import (
    CannotTranslate,
    PushUnreadable,
    SignatureRefused,
    must_match,
    needed,
)
from neural.hooks.platforms.normal_events import withheld_fee
from neural.hooks.platforms.reading import (
    DEEPEST,
    MOST_NESTED,
    Fields,
    json_of,
    last_digits,
    object_of,
    without_phones,
)
from neural.kit.currencies import DIGITS
from neural.restaurant.bill import amount_of
from neural.restaurant.models import amounts as currencies
from neural.restaurant.schemas.tills import StatedLine

CURRENCIES = sorted({*DIGITS, "CNY", "USD", "EUR", "HKD", "CAD"})


@pytest.mark.parametrize("code", CURRENCIES)
def test_currencies_have_the_digits_that_orders_are_rounded_to(code):
    assert digits_of(code) == currencies.digits_of(code)


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        (1234, "USD", "12.34"),
        ("1234", "CNY", "12.34"),
        (1234, "JPY", "1234"),
        (1234, "KWD", "1.234"),
        (-5, "USD", "-0.05"),
        (0, "USD", "0"),
        (99_999_999_999, "USD", "999999999.99"),
        (1079.5, "JPY", "1079.5"),
        (1.5, "USD", "0.015"),
    ],
)
def test_the_smallest_units_are_exact(value, currency, amount):
    assert minor(value, digits_of(currency)) == Decimal(amount)


@pytest.mark.parametrize(
    "value", [None, True, "", "x", 10**20, [], {}, "1e400", "1e9999999", "nan"]
)
def test_what_is_no_amount_of_smallest_units_is_none(value):
    assert minor(value, 2) is None


@pytest.mark.parametrize(
    ("value", "amount"),
    [(13.6, "13.6"), ("33.0", "33"), (0.1 + 0.2, "0.3"), (17, "17"), ("0.0005", "0.001")],
)
def test_major_units_lose_their_noise(value, amount):
    assert major(value) == Decimal(amount)


@settings(max_examples=50)
@given(st.floats() | st.integers() | st.text() | st.none() | st.lists(st.none()))
def test_whatever_it_is_it_is_an_amount_or_none(value):
    for amount in (major(value), minor(value, 2)):
        assert amount is None or abs(amount) < amounts.LARGEST


@settings(max_examples=50)
@given(
    gross=st.decimals(0, 10_000, places=2),
    quantity=st.decimals(0, 200, places=3),
    digits=st.sampled_from((2, 3)),
)
def test_a_line_costs_what_its_platform_says_all_pieces_cost(gross, quantity, digits):
    selection = {"displayName": "Tea", "quantity": str(quantity), "preDiscountPrice": str(gross)}
    (line,) = toast._lines(Fields(selection), void=False)
    assert amount_of(StatedLine.model_validate(line), digits=digits) == gross
    if quantity:
        assert abs(Decimal(line["price"]) * quantity - gross) <= quantity / 2000


@pytest.mark.parametrize("value", [1482161481, "1482161481", 1482161481000, "1482161481000"])
def test_seconds_and_milliseconds_are_the_same_moment(value):
    assert from_epoch(value) == dt.datetime(2016, 12, 19, 15, 31, 21, tzinfo=dt.UTC)


@pytest.mark.parametrize("value", [None, "", "x", -1, 10**30, 1e300, True, [], "2016-12-19"])
def test_what_is_no_time_since_1970_is_none(value):
    assert from_epoch(value) is None


def test_times_have_any_number_of_decimals_and_any_form_of_zone():
    for text in (
        "2019-10-29T18:38:45.455006797Z",
        "2019-10-29T18:38:45.45500+0000",
        "2019-10-29T19:38:45.455006+01:00",
    ):
        assert from_iso(text).astimezone(dt.UTC).replace(microsecond=0) == dt.datetime(
            2019, 10, 29, 18, 38, 45, tzinfo=dt.UTC
        )
    assert from_iso("1969-12-31T23:59:59Z") is None
    assert from_iso("2200-01-01") is None
    assert from_iso("2019-10-29T19:38:45+23:00") is None


def test_versions_have_their_order_as_text():
    assert sorted([padded(12), padded(2), padded(100)]) == [padded(2), padded(12), padded(100)]


def test_the_same_amount_is_written_the_same():
    for number in ("17", "17.0", "17.000"):
        assert written(Decimal(number)) == "17"
    assert written(Decimal("1E+3")) == "1000"
    assert written(Decimal("-0.00")) == "0"


@pytest.mark.parametrize(
    ("payout", "kept"),
    [("13.6", "3"), ("16.6", "0"), ("15.1", "1.5"), ("99", "3"), ("0", "3"), (None, "3")],
)
def test_a_platform_keeps_of_the_delivery_fee_what_the_payout_lacks(payout, kept):
    found = withheld_fee(
        Decimal(3), Decimal("16.6"), payout and Decimal(payout), default=Decimal(3)
    )
    assert found == Decimal(kept)


@pytest.mark.parametrize(
    ("phone", "digits"),
    [
        ("13800004024", "4024"),
        ("13800004024_7333", "4024"),
        ("138****4024", "4024"),
        ("+1 (403) 555-0199", "0199"),
        ("", ""),
        ("12", ""),
        ("٠١٢٣٤", ""),
        ("none", ""),
    ],
)
def test_of_a_telephone_number_only_its_last_digits_are_kept(phone, digits):
    assert last_digits(phone) == digits


def test_numbers_of_telephones_are_cut_out_of_wishes():
    told = "少辣 13800000000，2份，room 1204, 18689114387_3473"
    assert without_phones(told) == "少辣 …，2份，room 1204, …"


@pytest.mark.parametrize(
    "phone",
    ["138 0013 8000", "138-0013-8000", "(415) 555-0199", "+1.415.555.0199", "138\u20130013"],
)
def test_a_telephone_number_in_groups_is_none_of_a_note_either(phone):
    assert without_phones(f"ring {phone} twice") == "ring … twice"
    assert without_phones("table 12 at 18:30, 2 x 3") == "table 12 at 18:30, 2 x 3"


class TestFields:
    @pytest.mark.parametrize("value", [1.5, True, [], {}, "x" * 101, "", " ", None, 10**101])
    def test_an_id_is_a_text_or_a_whole_number(self, value):
        with pytest.raises(CannotTranslate, match=r"^order\.id must be an id"):
            Fields({"id": value}, "order").id("id")

    def test_an_id_of_18_digits_loses_none(self):
        assert Fields({"id": 234821460227816448}).id("id") == "234821460227816448"

    def test_an_error_says_where_and_what_but_not_the_value(self):
        fields = Fields({"lines": [{"price": "secret"}]})
        with pytest.raises(CannotTranslate) as raised:
            fields.each("lines")[0].money("price")
        assert "lines[0].price must be an amount" in str(raised.value)
        assert "secret" not in str(raised.value)

    def test_a_state_that_is_not_known_is_named_with_those_that_are(self):
        with pytest.raises(CannotTranslate, match="state 'HELD' is not known; known: OPEN"):
            Fields({"state": "HELD"}).one_of("state", {"OPEN": "open"})

    def test_a_number_is_no_state_because_it_equals_true(self):
        with pytest.raises(CannotTranslate):
            Fields({"state": True}).one_of("state", {1: "open"})

    def test_lists_within_lists_are_read_to_a_depth_that_no_order_has(self):
        value: dict = {}
        for _level in range(MOST_NESTED + 2):
            value = {"parts": [value]}
        fields = Fields(value)
        for _level in range(MOST_NESTED + 1):
            (fields,) = fields.each("parts")
        with pytest.raises(CannotTranslate, match="nested deeper than"):
            fields.each("parts")

    def test_a_day_is_written_with_or_without_hyphens(self):
        for value in (20240401, "20240401", "2024-04-01"):
            assert Fields({"day": value}).day("day") == dt.date(2024, 4, 1)


class TestJson:
    def test_it_may_be_nested_as_deeply_as_a_database_and_we_can_read(self):
        deepest = b"[" * DEEPEST + b"]" * DEEPEST
        assert json_of(deepest) is not None
        with pytest.raises(PushUnreadable, match="levels"):
            json_of(b"[" + deepest + b"]")

    def test_a_body_that_is_no_object_says_what_it_is(self):
        with pytest.raises(PushUnreadable, match="a list, not an object"):
            object_of(b"[]")


class TestComparing:
    def test_signatures_of_any_characters_are_compared(self):
        must_match("é", "é")
        for told in ("", None, "\ud800", "e"):
            with pytest.raises(SignatureRefused):
                must_match(told, "é")

    @pytest.mark.parametrize("value", [None, "", 7, []])
    def test_a_credential_that_is_missing_says_what_to_do(self, value):
        with pytest.raises(SignatureRefused, match="enter it in the admin"):
            needed({"secret": value}, "secret")
