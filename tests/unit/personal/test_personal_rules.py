"""What is masked in payloads and texts, what is left of it, and what is not mistaken for it."""

import datetime as dt
import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural.personal.keys import DEFAULT_KEYS, KeyRules, Kind
from neural.personal.logs import WithoutPersonalData
from neural.personal.person import Person
from neural.personal.rules import Redaction
from zhilian.logs import KeyValueFormatter

RULES = Redaction(KeyRules(DEFAULT_KEYS))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call 13812345678 now", "call 138****5678 now"),
        ("电话13812345678，谢谢", "电话138****5678，谢谢"),
        ("+86 138-1234-5678", "+86 138****5678"),
        ("008613812345678", "+86 138****5678"),
        ("138 1234 5678", "138****5678"),
        ("１３８１２３４５６７８", "138****5678"),
        ("13812345678,13912345678", "138****5678,139****5678"),
        ("021-61234567", "****4567"),
        ("(010) 6123 4567", "****4567"),
        ("075561234567", "****4567"),
        ("+1 415-555-2671", "****2671"),
        ("+852 6123 4567", "****4567"),
        ("4111 1111 1111 1111", "****1111"),
        ("two of 12: 4111-1111-1111-1111", "two of 12: ****1111"),
        ("6222021234567890128", "****0128"),
        ("身份证11010519491231002X", "身份证****002X"),
        ("write to wang.xm@example.com.cn!", "write to w***@example.com.cn!"),
        ("{'phone': '5551234567', 'customer_name': '王小明'}", None),
        ("customer_name=王小明, table=4", "customer_name=王**, table=4"),
    ],
)
def test_what_looks_like_a_person_is_masked_in_any_text(text: str, masked: str | None) -> None:
    expected = masked or "{'phone': '****4567', 'customer_name': '王**'}"
    assert RULES.text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-26 22:33:32.123+08:00",
        "20261126-223332-102",
        "3014728511382982849",
        "1732612345678",
        "13812345678.50",
        "0.13812345678",
        "order 0000001234",
        "S073-3000002",
        "0195abcd-1234-7abc-8def-a13812345678",
        "0195a138-1234-5678-9abc-def012345678",
        "d41d8cd98f00b204e9800998ecf8427e",
        "4111 1111 1111 1112",
        "110105194912310021",
        "http://127.0.0.1:8000/?q=1",
        "payload.member: Input should be a valid string",
    ],
)
def test_ids_times_and_amounts_are_not_mistaken(text: str) -> None:
    assert RULES.text(text) == text


def test_values_are_masked_by_their_keys_and_everything_else_stays() -> None:
    given = {
        "order_id": "13812345678",
        "customer": {"name": "王小明", "phone": 13812345678, "level": "gold"},
        "recipientPhone": "021 6123 4567",
        "lines": [{"name": "蛋挞", "quantity": "2", "note": "叫 13812345678"}],
        "address": {"street": "中山路", "no": 7},
        "guests": 3,
        "member": "M-000123456",
        "phone_last4": "5678",
        "consignee": None,
    }

    assert RULES.value(given) == {
        "order_id": "13812345678",
        "customer": {"name": "王**", "phone": 5678, "level": "gold"},
        "recipientPhone": "****4567",
        "lines": [{"name": "蛋挞", "quantity": "2", "note": "叫 138****5678"}],
        "address": {"street": "****", "no": 0},
        "guests": 3,
        "member": "****3456",
        "phone_last4": "5678",
        "consignee": None,
    }


@pytest.mark.parametrize(
    "key",
    [
        *(
            "phoneNo",
            "mobileNo",
            "mobile_no",
            "tel_no",
            "phone_num",
            "recipientPhoneNo",
            "telNumber",
        ),
        *("guest_mobile_number", "telephoneNo", "contact-phone-numbers", "订餐电话号", "手机号"),
    ],
)
def test_a_phone_under_a_key_that_ends_like_a_code_is_masked(key: str) -> None:
    assert RULES.value({key: "6123 4567"}) == {key: "****4567"}
    assert RULES.value({key: 61234567}) == {key: 4567}
    assert RULES.text(f"{key}=61234567") == f"{key}=****4567"


@pytest.mark.parametrize("key", ["hotel_no", "motelNumber", "order_no", "table_no", "pos_no"])
def test_what_only_ends_like_the_number_of_a_phone_is_none(key: str) -> None:
    assert RULES.value({key: "6123 4567"}) == {key: "6123 4567"}


LONG = "A" * 250_000 + " b c d "


def test_a_phone_at_the_end_of_a_long_text_is_masked_erased_and_left_out_of_the_log() -> None:
    text = f"{LONG}13812345678"
    person = Person(phone="13812345678", rules=KeyRules(DEFAULT_KEYS))
    facts = {"name": "a", "levelname": "INFO", "levelno": 20, "args": ()}

    assert RULES.value({"x": text}) == {"x": f"{LONG}138****5678"}
    assert RULES.text(text) == f"{LONG}138****5678"
    assert person.erased({"x": text}) == {"x": f"{LONG}[erased]"}
    for cut_at in range(16_000 - 11, 16_001):
        line = "A" * cut_at + " 13812345678 " + "A" * 20_000
        told = KeyValueFormatter().format(logging.makeLogRecord({**facts, "msg": line}))
        assert "1381" not in told


@pytest.mark.parametrize(
    "key",
    [
        *(
            "guest",
            "customer",
            "buyer",
            "contact",
            "payer",
            "consignee_name",
            "leadGuest",
            "guests",
        ),
        *(
            "recipient-info",
            "booking_name",
            "联系人",
            "顾客",
            "客人姓名",
            "收货人姓名",
            "收件人",
            "预订人信息",
        ),
    ],
)
def test_text_under_whatever_names_a_person_is_masked_nested_or_not(key: str) -> None:
    assert RULES.value({key: "王小明"}) == {key: "王**"}
    assert RULES.value({key: ["王小明"]}) == {key: ["王**"]}
    assert "小明" not in repr(RULES.value({key: {"called": "王小明", "of": {"called": "王小明"}}}))
    assert RULES.text(f"{key}='王小明'") == f"{key}='王**'"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("13812345678", "138****5678"),
        ("6123 4567", "****4567"),
        ("wang@example.com", "w***@example.com"),
        ("Rose Lee", "R**"),
    ],
)
def test_a_person_is_masked_as_what_stands_there(text: str, masked: str) -> None:
    assert RULES.value({"contact": text}) == {"contact": masked}


@pytest.mark.parametrize(
    "value",
    [
        {"guests": 3, "customers": "12", "顾客数": "3 位", "客人": 2},
        {
            "customer_count": 5,
            "customer_type": "walk-in",
            "guest_notes": "no nuts",
            "contact_at": "x",
        },
        {"customer": {"level": "gold", "id": "c-17", "visits": 9, "status": "new", "等级": "金卡"}},
        {"payer_total": "38.00", "buyers": True, "contactless": "yes", "customise": "less ice"},
        {"顾客等级": "金卡", "客户编号": "K-17", "salesperson": "李雷", "staff": "李雷"},
        "create(customer=customer, guest=guest)",
    ],
)
def test_counts_and_codes_of_guests_are_not_mistaken_for_them(value: Any) -> None:
    assert RULES.value(value) == value


def test_ones_own_pattern_outranks_ours_however_it_is_spelt(settings: Any) -> None:
    from neural.personal.redacting import redacted

    own = {"shop_contact": "shown", "night_*contact": "phone", "Customer-Name": "shown"}
    settings.NEURAL = {**getattr(settings, "NEURAL", {}), "personal_keys": own}

    shown = redacted({"night_contact": "021 6123 4567", "customer_name": "Rose"})

    assert shown == {"night_contact": "****4567", "customer_name": "Rose"}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"data": {"recipient_name": "王小明", "recipient_phone": "13812345678"}}),
        "recipient_name=%25E7%258E%258B%25E5%25B0%258F%25E6%2598%258E&recipient_phone=13812345678",
        '{"recipient_name": "王小明", "recipient_phone": "13812345678", "cut off',
    ],
)
def test_the_body_of_a_request_is_masked_by_its_keys(body: str) -> None:
    masked = RULES.value({"vendor": "x", "body": body})["body"]

    assert "王小明" not in masked
    assert "小明" not in json.loads(json.dumps(masked))
    assert "%2598%258E" not in masked
    assert "13812345678" not in masked
    assert "138****5678" in masked


def test_a_project_names_further_keys_and_takes_back_known_ones(settings: Any) -> None:
    from neural.personal.redacting import redacted

    more = {"delivery.driver": "name", "member": "shown"}
    settings.NEURAL = {**getattr(settings, "NEURAL", {}), "personal_keys": more}

    shown = redacted({"delivery": {"driver": "李雷"}, "driver": "李雷", "member": "M-1"})

    assert shown == {"delivery": {"driver": "李**"}, "driver": "李雷", "member": "M-1"}


def test_a_pattern_may_name_all_that_is_below_a_key() -> None:
    rules = Redaction(KeyRules({"visitor.*": Kind.TEXT, "*_contact": Kind.PHONE}))

    shown = rules.value({"visitor": {"a": {"b": "c"}}, "my_contact": "13812345678", "a": "c"})

    assert shown == {"visitor": {"a": {"b": "****"}}, "my_contact": "138****5678", "a": "c"}


def test_what_is_no_json_is_masked_as_well() -> None:
    born = dt.date(1990, 1, 1)

    assert RULES.value({"birthday": born, "when": born}) == {"birthday": "****", "when": born}
    assert RULES.value({"latitude": Decimal("31.2")}) == {"latitude": Decimal(0)}
    assert RULES.value(("13812345678",)) == ["138****5678"]


BITS = st.sampled_from(
    [
        *("13812345678", "138", "1234", "5678", "62", "****", "@", "a@b.cn", ".", "-", " ", "+86"),
        *(
            "０",
            "phone",
            "customer_name",
            "=",
            "'",
            '"',
            ":",
            "王小明",
            "name",
            "{",
            "}",
            "&",
            "\\",
        ),
        *("&", "\\", "[", "]", "11010519491231002X", "021-", "4111111111111111"),
    ]
)
TEXTS = st.lists(BITS, max_size=14).map("".join) | st.text()
KEYS = st.sampled_from(["phone", "name", "customer", "address", "order_id", "note", "member"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)


@given(VALUES)
def test_any_value_keeps_its_shape_and_is_masked_once(value: Any) -> None:
    once = RULES.value(value)

    assert shape(once) == shape(value)
    assert repr(RULES.value(once)) == repr(once)


@given(TEXTS)
def test_any_text_is_masked_once(text: str) -> None:
    once = RULES.text(text)

    assert RULES.text(once) == once


def test_a_value_nested_as_deep_as_python_reads_raises_nothing() -> None:
    value: Any = "13812345678"
    for _ in range(5000):
        value = [value]

    assert RULES.value(value) == "****"


def test_warnings_and_errors_in_the_log_are_masked() -> None:
    record = logging.makeLogRecord(
        {"msg": "event=failed error=%r", "args": ("no 13812345678",), "levelno": 30}
    )

    assert WithoutPersonalData().format(record) == "event=failed error='no 138****5678'"
