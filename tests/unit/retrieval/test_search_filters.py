"""What a person writes into a query to narrow it, in English and Chinese."""

import datetime as dt
from decimal import Decimal

import pytest

from neural.retrieval.query.filters import (
    AT,
    DATE,
    MONEY,
    NAMES,
    WHEN,
    Condition,
    read_filters,
    with_digits,
)

TODAY = dt.date(2026, 12, 1)  # a Tuesday
PAID = Condition("payment", "=", "paid")
CANCELLED = Condition("state", "=", "cancelled")
S01 = Condition("store", "=", "S01")
OVER_50 = Condition("amount", ">", Decimal(50))
SAID = OVER_50._replace(name=MONEY)
BETWEEN = [Condition(MONEY, ">=", Decimal(20)), Condition(MONEY, "<=", Decimal(50))]


def since(*day: int) -> Condition:
    return Condition(AT, ">=", dt.date(*day))


def until(*day: int) -> Condition:
    return Condition(AT, "<", dt.date(*day))


def read(text: str) -> tuple[str, list[Condition]]:
    found = read_filters(text, today=TODAY)
    assert found.unknown == []
    return found.text, found.conditions


@pytest.mark.parametrize(
    ("text", "rest", "conditions"),
    [
        ("store:S01 state:paid 豆腐", "豆腐", [S01, PAID]),
        ("门店：S01 状态：已付 豆腐", "豆腐", [S01, PAID]),
        ("豆腐 Store: S01, STATUS=paid", "豆腐", [S01, PAID]),
        ("查门店：S01的豆腐 金额＞50", "查 豆腐", [S01, OVER_50]),
        ("amount>50 tofu", "tofu", [OVER_50]),
        ("金额大于50元，取消", "取消", [OVER_50]),
        ("total>=¥50", "", [Condition("amount", ">=", Decimal(50))]),
        ("金额≤0.5", "", [Condition("amount", "<=", Decimal("0.5"))]),
        ("状态：取消", "", [CANCELLED]),
        ("state:canceled", "", [CANCELLED]),
        ("price>50 dessert", "dessert", [OVER_50]),
        ("unpaid over 50", "unpaid", [SAID]),
        ("Over ¥50 in S03", "in S03", [SAID]),
        ("amount more than 50 yuan, S03", "S03", [SAID]),
        ("超过50 未付", "未付", [SAID]),
        ("高于50元的订单", "订单", [SAID]),
        ("desserts under 20.5", "desserts", [Condition(MONEY, "<", Decimal("20.5"))]),
        ("300元以上的外卖", "外卖", [Condition(MONEY, ">=", Decimal(300))]),
        ("甜品 20以下", "甜品", [Condition(MONEY, "<=", Decimal(20))]),
        ("orders between 20 and ¥50 in S03", "orders in S03", BETWEEN),
        ("20到50元的订单", "订单", BETWEEN),
        ("20-50元", "", BETWEEN),
        ("20块以内", "", [Condition(MONEY, "<=", Decimal(20))]),
        ("渠道:堂食", "", [Condition("channel", "=", "dine_in")]),
        ("channel:delivery|takeaway", "", [Condition("channel", "in", ("delivery", "takeaway"))]),
        ("门店：S01、S02", "", [Condition("store", "in", ("S01", "S02"))]),
        ('store:"Riverside North" refund', "refund", [S01._replace(value="Riverside North")]),
        ("门店：“河畔 北” 退款", "退款", [S01._replace(value="河畔 北")]),
        ("type:inventory.low", "", [Condition("type", "=", "inventory.low")]),
        ("桌号：A12 till:T1", "", [Condition("table", "=", "A12"), Condition("till", "=", "T1")]),
    ],
)
def test_a_filter_is_taken_out_of_the_text(
    text: str, rest: str, conditions: list[Condition]
) -> None:
    assert read(text) == (rest, conditions)


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("after:2026-11-01 before:2026-11-05", [since(2026, 11, 1), until(2026, 11, 5)]),
        ("day:2026/11/1", [since(2026, 11, 1), until(2026, 11, 2)]),
        ("日期：2026年11月1日", [since(2026, 11, 1), until(2026, 11, 2)]),
        ("2026-11-01之后", [since(2026, 11, 1)]),
        ("11月25日以前", [until(2026, 11, 25)]),
        ("12月25日之后", [since(2025, 12, 25)]),
        ("日期：2026-11-01之后", [since(2026, 11, 1)]),
        ("since:yesterday", [since(2026, 11, 30)]),
        ("before:上周", [until(2026, 11, 23)]),
        ("after:2026-11-01T18:30", [Condition(AT, ">=", dt.datetime(2026, 11, 1, 18, 30))]),
    ],
)
def test_a_filter_of_time_is_a_period(text: str, conditions: list[Condition]) -> None:
    assert read(text) == ("", conditions)


@pytest.mark.parametrize(
    ("text", "rest", "first", "end"),
    [
        ("ReadTimeout yesterday", "ReadTimeout", (2026, 11, 30), (2026, 12, 1)),
        ("昨天的退款", "退款", (2026, 11, 30), (2026, 12, 1)),
        ("refund Today", "refund", (2026, 12, 1), (2026, 12, 2)),
        ("前天", "", (2026, 11, 29), (2026, 11, 30)),
        ("上周 取消", "取消", (2026, 11, 23), (2026, 11, 30)),
        ("本周", "", (2026, 11, 30), (2026, 12, 7)),
        ("明天谁上班", "谁上班", (2026, 12, 2), (2026, 12, 3)),
        ("后天", "", (2026, 12, 3), (2026, 12, 4)),
        ("next week", "", (2026, 12, 7), (2026, 12, 14)),
        ("this month", "", (2026, 12, 1), (2027, 1, 1)),
        ("last month refund", "refund", (2026, 11, 1), (2026, 12, 1)),
        ("最近3天 超时", "超时", (2026, 11, 29), (2026, 12, 2)),
        ("S05昨天退款", "S05 退款", (2026, 11, 30), (2026, 12, 1)),
        ("昨晚", "", (2026, 11, 30), (2026, 12, 1)),
        ("refunds last night", "refunds", (2026, 11, 30), (2026, 12, 1)),
        ("周二 退款", "退款", (2026, 12, 1), (2026, 12, 2)),  # today
        ("礼拜三退款", "退款", (2026, 11, 25), (2026, 11, 26)),
        ("S04 Monday takeaway", "S04 takeaway", (2026, 11, 30), (2026, 12, 1)),
        ("上周一的退款", "退款", (2026, 11, 23), (2026, 11, 24)),
        ("本周五", "", (2026, 12, 4), (2026, 12, 5)),
        ("next friday roster", "roster", (2026, 12, 11), (2026, 12, 12)),
        ("下个星期天", "", (2026, 12, 13), (2026, 12, 14)),
        ("大前天的退款", "退款", (2026, 11, 28), (2026, 11, 29)),
        ("大后天", "", (2026, 12, 4), (2026, 12, 5)),
        ("the day before yesterday", "", (2026, 11, 29), (2026, 11, 30)),
        ("上上周一", "", (2026, 11, 16), (2026, 11, 17)),
        ("上上周 退款", "退款", (2026, 11, 16), (2026, 11, 23)),
        ("last week's refunds", "refunds", (2026, 11, 23), (2026, 11, 30)),
        ("yesterday’s soup", "soup", (2026, 11, 30), (2026, 12, 1)),
        ("三天前", "", (2026, 11, 28), (2026, 11, 29)),
        ("两周前", "", (2026, 11, 16), (2026, 11, 23)),
        ("three days ago paella", "paella", (2026, 11, 28), (2026, 11, 29)),
        ("最近十二天", "", (2026, 11, 20), (2026, 12, 2)),
        ("past two weeks refund", "refund", (2026, 11, 18), (2026, 12, 2)),
    ],
)
def test_a_word_for_a_time_narrows_as_one_does(
    text: str, rest: str, first: tuple[int, ...], end: tuple[int, ...]
) -> None:
    assert read(text) == (
        rest,
        [since(*first)._replace(name=WHEN), until(*end)._replace(name=WHEN)],
    )


@pytest.mark.parametrize(
    ("text", "rest", "day", "called"),
    [
        ("11月20号 退款", "退款", (2026, 11, 20), "11月20日"),
        ("十一月二十号", "", (2026, 11, 20), "11月20日"),
        ("20 November paella", "paella", (2026, 11, 20), "11月20日"),
        ("Dec 25th", "", (2025, 12, 25), "12月25日"),
        ("the 3rd of March 2026", "the", (2026, 3, 3), "2026-03-03"),
        ("2026-11-25", "", (2026, 11, 25), "2026-11-25"),
    ],
)
def test_a_date_is_a_day_however_it_is_written(
    text: str, rest: str, day: tuple[int, ...], called: str
) -> None:
    assert read(text) == (rest, [Condition(DATE, "=", (dt.date(*day), called))])


def test_a_date_without_a_year_is_that_which_was_or_of_plans_the_nearest() -> None:
    ahead = read_filters("12月25日", today=TODAY, ahead=True).conditions

    assert ahead[0].value[0] == dt.date(2026, 12, 25)


@pytest.mark.parametrize(
    ("text", "operator", "amount"),
    [
        *(("两百元以上", ">=", 200), ("超过一千元", ">", 1000), ("over two thousand", ">", 2000)),
        *(("more than five hundred yuan", ">", 500), ("不到五十块", "<", 50)),
        *(("under two hundred and fifty", "<", 250), ("一万二千以下", "<=", 12_000)),
        *(("超过两百五", ">", 250), ("over twenty-five", ">", 25), ("一百零八元以内", "<=", 108)),
    ],
)
def test_an_amount_is_read_in_words(text: str, operator: str, amount: int) -> None:
    assert read(text) == ("", [Condition(MONEY, operator, Decimal(amount))])


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        *(("九十八块六的单", "98.6的单"), ("十二号桌", "12号桌"), ("一百二十元", "120")),
        *(("ninety eight dollars", "98"), ("一块塑料", "一块塑料"), ("三元里", "三元里")),
        *(("三杯鸡", "三杯鸡"), ("八宝饭", "八宝饭"), ("四喜丸子", "四喜丸子")),
    ],
)
def test_amounts_and_tables_in_words_are_looked_for_as_digits(text: str, digits: str) -> None:
    assert with_digits(text) == digits


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *(("who works friday", (12, 4)), ("周五谁上班", (12, 4)), ("monday", (11, 30))),
        *(("星期天 周天宇", (12, 6)), ("last friday", (11, 27)), ("下周五", (12, 11))),
    ],
)
def test_a_day_of_a_plan_is_that_of_this_week(text: str, day: tuple[int, int]) -> None:
    found = read_filters(text, today=TODAY, ahead=True)

    assert found.conditions[0].value == dt.date(2026, *day)
    assert "本" not in found.text


@pytest.mark.parametrize(
    "text",
    [
        *("麻婆豆腐", "FP-2026-11-25", "A-17", "46.00", "ReadTimeout: timed out", "一小块塑料"),
        *("http://till.example:8080/x", "12:30", "HTTPSConnectionPool(host='x', port=443)"),
        *("“两个字”", "ＡＢＣ", ""),
        *("between 20 and 50 guests", "11-12", "评分4.5以上", "A12以下", "over 30 minutes"),
        *("over " + "9" * 400, "9" * 400 + "以上", "between 1 and " + "9" * 400),
        *("waited more than 2 hours", "超过30分钟", "leftover 50", "周天宇", "Mondays"),
    ],
)
def test_what_is_no_filter_stays_as_it_was_written(text: str) -> None:
    assert read(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "name", "known"),
    [
        ("colour:red", "", NAMES),
        ("state:foo", "state", {"paid", "cancelled", "dead"}),
        ("渠道：飞船", "channel", {"dine_in", "delivery"}),
        ("amount>much", "amount", set()),
        ("amount>nan", "amount", set()),
        ("amount>" + "9" * 400, "amount", set()),
        ("amount>1e9999999", "amount", set()),
        ("amount>-1e9999999", "amount", set()),
        ("amount>1e-9999999", "amount", set()),
        ("after:2026-13-01", "after", set()),
        ("状态：已付、取消", "state", {"paid"}),
    ],
)
def test_what_is_unknown_is_named_and_searched_as_words(text: str, name: str, known: set) -> None:
    found = read_filters(f"store:S01 {text}", today=TODAY)

    (unknown,) = found.unknown
    assert unknown.name == name
    assert set(known) <= set(unknown.known)
    assert found.conditions == [S01]
    assert found.text == text.replace("：", ":")
