"""Filters in a question narrow what is searched, and what is unknown is named."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

import neural
from neural.retrieval.collections.registry import collection_of
from neural.retrieval.query.filters import Condition
from neural.retrieval.query.parsing import parse_query
from neural.retrieval.query.reading import MOST_STORES, Reading, read_question
from neural.retrieval.stores.base import Within
from tests.unit.factories import make_store
from tests.unit.retrieval.searching import EMBEDDER

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC)
EVERYWHERE = Within(stores=None)


@pytest.fixture(autouse=True)
def stores() -> None:
    for code, name in {"S01": "Riverside", "S02": "Riverside North", "S03": "河畔店"}.items():
        store = make_store(code)
        store.name = name
        store.save()


def read(text: str, within: Within = EVERYWHERE, collection: str = "orders") -> Reading:
    return read_question(text, within, [collection_of(collection)])[collection]


def asked(text: str, within: Within = EVERYWHERE, collection: str = "orders") -> Any:
    reading = read(text, within, collection)
    return reading.text, reading.within, list(reading.notices)


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        *(("S01", {"S01"}), ("s01", {"S01"}), ("S01店", {"S01"}), ("riverside", {"S01"})),
        *(("North", {"S02"}), ("河畔", {"S03"}), ("S01|S03", {"S01", "S03"})),
    ],
)
def test_a_store_is_named_by_its_code_its_name_or_a_part_of_it(written: str, codes: set) -> None:
    text, within, notices = asked(f"store:{written} tofu")

    assert (text, within.stores, notices) == ("tofu", codes, [])


def test_nothing_is_within_a_store_that_is_unknown_or_not_ones_own() -> None:
    text, within, notices = asked("store:S01 tofu", Within(stores=frozenset(["S02"])))

    assert (text, within.stores) == ("tofu", frozenset())
    assert notices == ["No store is called S01; there are: S02."]
    assert asked("store:S99 tofu")[1].stores == {"S99"}  # records may be ingested for it
    assert asked("store:S99 tofu")[2] == ["No store is called S99; there are: S01, S02, S03."]


@pytest.mark.parametrize(
    ("text", "rest", "codes"),
    [
        *(
            ("S01 退款", "退款", {"S01"}),
            ("yxrs s03", "yxrs", {"S03"}),
            ("s01店退款", "退款", {"S01"}),
        ),
        *(("昨天S02退款", "退款", {"S02"}), ("S03店长", "店长", {"S03"})),
        *(("S01 S02 refunds", "refunds", {"S01", "S02"}), ("S99 退款", "S99 退款", None)),
        *(("S01", "S01", None), ("S01店", "S01店", None), ("S01/17 退款", "S01/17 退款", None)),
    ],
)
def test_the_code_of_a_store_beside_other_words_narrows_to_it(
    text: str, rest: str, codes: set[str] | None
) -> None:
    reading = read(text, collection="dishes")

    assert (reading.text, reading.within.stores) == (rest, codes)


def test_of_very_many_codes_in_a_text_some_are_looked_up() -> None:
    many = " ".join(f"X{number}" for number in range(MOST_STORES))

    assert read(f"soup S01 {many}").parsed.parts


@pytest.mark.parametrize(
    ("text", "rest", "codes", "written"),
    [
        ("riverside north refunds", "refunds", {"S02"}, "riverside north"),
        ("refunds at Riverside", "refunds at", {"S01"}, "Riverside"),
        ("河畔店退款", "退款", {"S03"}, "河畔店"),
        ("河畔 S01 退款", "退款", {"S01", "S03"}, "S01"),
    ],
)
def test_the_name_of_a_store_beside_other_words_narrows_as_its_code_does(
    text: str, rest: str, codes: set[str], written: str
) -> None:
    reading = read(text)

    assert (reading.text, reading.within.stores, reading.wide.stores) == (rest, codes, None)
    assert written in reading.limits


@pytest.mark.parametrize("text", ["riverside", "河畔店", "riversides soup", 'soup "riverside"'])
def test_the_name_of_a_store_alone_or_in_quotes_is_searched_as_words(text: str) -> None:
    reading = read(text)

    assert (reading.within, reading.limits) == (EVERYWHERE, ())
    assert reading.text == text.replace('"', "")


def test_the_store_that_is_not_ones_own_is_searched_as_a_word() -> None:
    mine = Within(stores=frozenset(["S02"]))

    for text in ("S01 退款", "河畔 退款"):
        assert asked(text, mine)[:2] == (text, mine)


@pytest.mark.parametrize(
    ("text", "rest", "tokens"),
    [
        ("鸡丁 -宫保", "鸡丁", {"宫保"}),
        ("退款 除了河畔店", "退款", {"河畔", "畔店"}),
        ("除了河畔店以外的退款", "退款", {"河畔", "畔店"}),
        ("burger without any beef", "burger", {"beef"}),
        ("refunds except Riverside North", "refunds", {"riverside", "north"}),
        ("菜单 不含花生", "菜单", {"花生"}),
    ],
)
def test_what_is_to_be_left_out_is_no_word_to_look_for(
    text: str, rest: str, tokens: set[str]
) -> None:
    reading = read(text, collection="dishes")

    assert reading.parsed == parse_query(rest)
    assert [each.tokens for each in reading.without] == [tokens]
    assert reading.limits
    assert reading.notices == ()


@pytest.mark.parametrize("text", ["-宫保", "refunds except yesterday", "退款 除了昨天"])
def test_what_cannot_be_left_out_is_named_and_limits_nothing(text: str) -> None:
    reading = read(text)

    assert (reading.within, reading.without, reading.limits) == (EVERYWHERE, (), ())
    assert "was searched as words: it names no words beside others" in reading.notices[0]


def test_what_stands_in_quotes_is_no_filter() -> None:
    reading = read('S01 "昨天" 退款 "-宫保" store:"Riverside North"')

    assert reading.text == "昨天 退款 -宫保"
    assert (reading.limits, reading.without) == (("S01",), ())
    assert reading.wide.stores == {"S02"}


def test_a_date_is_looked_for_among_the_names_of_what_has_a_business_day() -> None:
    orders, events = read("11月20号 豆腐"), read("11月20号 豆腐", collection="events")

    assert orders.text == "豆腐 11月20日"
    assert (orders.within, events.text) == (EVERYWHERE, "豆腐")
    assert events.within.until - events.within.since == dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "collection", "nothing"),
    [
        *(("", "orders", True), ("orders", "orders", True), ("order", "orders", True)),
        *(("show me the latest orders", "orders", True), ("最新的订单", "orders", True)),
        *(("orders", "dishes", False), ("店长", "staff", False), ("reorders", "orders", False)),
        *(("orders A-17", "orders", False), ("订单 豆腐", "orders", False)),
    ],
)
def test_words_beside_filters_may_say_only_that_all_are_sought(
    text: str, collection: str, nothing: bool
) -> None:
    assert read(f"{text} after:2026-10-01", collection=collection).lists == nothing


def test_words_for_an_amount_limit_records_that_have_amounts() -> None:
    _, orders, _ = asked("cheap over 50")
    text, shifts, _ = asked("cheap over 50", collection="staff")

    assert orders.facts == (Condition("amount", ">", 50),)
    assert (text, shifts.facts) == ("cheap", ())


def test_a_type_is_named_by_what_it_is_called_in_either_language() -> None:
    kinds = {text: asked(f"type:{text}")[1].kinds for text in ("退款", "refund", "川菜")}

    assert {"payment.refunded", "refund.stated"} <= kinds["退款"] & kinds["refund"]
    assert kinds["川菜"] == {"川菜"}


def test_a_period_of_the_question_and_one_that_was_chosen_both_hold() -> None:
    chosen = Within(stores=None, since=NOON, until=NOON + dt.timedelta(days=9))

    within = asked("after:2026-10-01 before:2026-11-05", chosen)[1]

    assert within.since == NOON
    assert within.until == dt.datetime(2026, 11, 4, 16, tzinfo=dt.UTC)


def test_a_word_for_a_time_does_not_limit_what_has_no_time_of_its_own() -> None:
    text, within, _ = asked("今天有没有豆腐", collection="dishes")

    assert (text, within) == ("有没有豆腐", EVERYWHERE)
    assert asked("今天有没有豆腐")[1].since is not None


def test_what_is_unknown_is_named_with_what_is_known() -> None:
    text, within, notices = asked("colour:red state:foo amount>x tofu")

    assert (text, within) == ("colour:red state:foo amount>x tofu", EVERYWHERE)
    assert notices[0].startswith(
        "colour is no filter and was searched as words; filters: store, state, type,"
    )
    assert notices[1].startswith("foo was searched as words; that filter knows: paid, unpaid,")
    assert notices[2] == "x was searched as words: it names no number and no day."


def order(number: str, store: str, total: int, **stated: Any) -> None:
    payload = {
        "order_id": number,
        "till": "T1",
        "lines": [{"name": "宫保鸡丁", "quantity": 1, "price": total}],
        "currency": "CNY",
        **stated,
    }
    neural.submit(
        type="order.stated",
        store=store,
        source="till",
        event_id=f"e{number}",
        occurred_at=NOON,
        payload=payload,
    ).or_raise()


def titles(text: str, **where: Any) -> list[str]:
    return sorted(hit.title for hit in neural.search(text, "orders", **where))


@pytest.mark.usefixtures("fake_broker")
def test_a_search_keeps_to_the_filters_in_its_text() -> None:
    with neural.temporary_search_index(embedder=EMBEDDER):
        order("1", "S01", 40, channel="dine_in")
        order("2", "S01", 60, channel="delivery", table="A12")
        order("3", "S02", 80, channel="delivery")
        neural.run_due()

        assert titles("宫保鸡丁") == ["1", "2", "3"]
        assert titles("鸡丁 -宫保") == titles("鸡丁 without 宫保") == []
        assert titles("宫保鸡丁 除了S02") == titles("宫保鸡丁 -S02") == ["1", "2"]
        assert titles("Riverside 宫保鸡丁") == titles("Riverside的单子") == ["1", "2"]
        assert titles("宫保鸡丁 store:S01") == ["1", "2"]
        assert titles("宫保鸡丁 金额＞50") == ["2", "3"]
        assert titles("鸡丁 amount>50 渠道：外卖 门店：Riverside") == ["2"]
        assert titles("channel:dine_in|delivery amount<=60") == ["1", "2"]
        assert titles("状态：未付 amount>=80") == ["3"]
        assert titles("state:paid 鸡丁") == []
        assert titles("桌号：A12") == ["2"]
        assert titles("gbjd s01") == ["1", "2"]  # initials, within the store
        assert titles("orders S02") == titles("S02最新的订单") == ["3"]
        assert titles("refunds S02") == titles("天气 S02") == []
        assert titles("all orders since:2026-11-01") == ["1", "2", "3"]
        assert titles("鸡丁 over 50") == ["2", "3"]
        assert titles("鸡丁 store:S02", stores=["S01"]) != ["3"]
        assert titles("鸡丁 after:2026-11-02") == []
        assert titles("鸡丁 2026-11-01之后") == ["1", "2", "3"]
        found = neural.search("鸡丁 colour:red", "orders")

    assert "colour is no filter" in found.notices[0]


def test_conditions_say_what_a_fact_must_be() -> None:
    facts = asked("state:paid|unpaid amount>=5")[1].facts

    assert facts == (Condition("payment", "in", ("paid", "unpaid")), Condition("amount", ">=", 5))


def test_a_filter_that_is_named_limits_also_where_words_say_the_same() -> None:
    named = read("after:2026-10-30 tofu").wide

    both = read("after:2026-10-30 tofu 2026-10-30以来")

    assert both.wide == both.within == named != EVERYWHERE


COMPLAINT = "客人说昨天点的宫保鸡丁一直没有送到，单号是 A-1755，请查一下"


@pytest.fixture
def two_guests(fake_broker: Any) -> Any:
    """The order of the complaint is of the day before yesterday, that of another guest of
    yesterday."""
    with neural.temporary_search_index(embedder=EMBEDDER):
        now = timezone.now()
        days = (("A-1755", "S01", 2), ("B-2044", "S02", 1))
        for number, store, ago in days:
            placed_at = (now - dt.timedelta(days=ago)).isoformat()
            order(number, store, 40, placed_at=placed_at)
        neural.run_due()
        yield


@pytest.mark.usefixtures("two_guests")
@pytest.mark.parametrize("sort", ["best", "time"])
def test_an_exact_id_is_found_whatever_the_words_around_it_seem_to_limit(sort: str) -> None:
    found = neural.search(COMPLAINT, "orders", sort=sort)
    of_another_store = neural.search("S02 宫保鸡丁 A-1755", "orders", sort=sort)

    for each, limit in ((found, "昨天"), (of_another_store, "S02")):
        assert {hit.title for hit in each} == {"A-1755", "B-2044"}
        assert each[0].title == ("A-1755" if sort == "best" else "B-2044")
        assert each.missing is not None
        assert not any("1755" in part for part in each.missing)
        (but_for,) = each.notices
        assert each.limits == (limit,)
        assert but_for == "What has the number A-1755 is shown whatever these words say."


@pytest.mark.usefixtures("two_guests")
def test_what_is_missing_is_missing_everywhere_that_the_user_may_see() -> None:
    found = neural.search("昨天 宫保鸡丁 C-4041", "orders")
    theirs = neural.search(COMPLAINT, "orders", stores=["S02"])
    stated = neural.search("A-1755 store:S02", "orders")

    assert found.missing == ("c4041",)
    assert [hit.title for hit in found] == ["B-2044"]
    assert (found.limits, found.notices) == (("昨天",), ())
    assert [hit.title for hit in theirs] == ["B-2044"]  # nothing is told of another store
    assert "a1755" in (theirs.missing or ())
    assert [hit.title for hit in stated] == []  # a filter that is stated holds


@pytest.mark.usefixtures("two_guests")
def test_a_number_that_says_little_lifts_no_limit() -> None:
    found = neural.search("昨天 宫保鸡丁 40 份", "orders")

    assert [hit.title for hit in found] == ["B-2044"]


def test_words_that_limit_nothing_of_a_collection_are_not_named() -> None:
    assert read("今天有没有豆腐", collection="dishes").limits == ()
    assert read("今天有没有豆腐").limits == ("今天",)
