"""Filters that a person writes into a query: ``store:S01 state:paid amount>50 yesterday``. Pure.

Each filter has its names in English and Chinese, and full-width signs are read like others:
``门店：S01 状态：已付 金额＞50 2026-11-01之后``. Values with spaces stand in quotes; several
stand with ``|`` or ``、`` between them. What is no filter remains to be searched as words, and so
does a filter or a value that is unknown, which is named.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import NamedTuple

from neural.retrieval.collections.documents import amount_of
from neural.retrieval.collections.trade import codes_called
from neural.retrieval.stores.base import FactCondition as Condition
from neural.retrieval.text import compatible

NAMES: Mapping[str, tuple[str, ...]] = {
    "store": ("门店", "店铺", "分店", "shop"),
    "state": ("状态", "status"),
    "type": ("类型", "类别", "kind"),
    "channel": ("渠道",),
    "platform": ("平台",),
    "tender": ("支付方式",),
    "table": ("桌号", "台号", "桌"),
    "till": ("收银机",),
    "amount": ("金额", "总额", "total", "price", "价格"),
    "after": ("自", "从", "since"),
    "before": ("截至", "早于"),
    "day": ("日期", "on", "date"),
}
"""The filters, and what else each is called."""
CODES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "state": {
        "payment": ("paid", "unpaid", "refunded"),
        "state": (
            *("placed", "scheduled", "open", "accepted", "preparing", "ready", "delivering"),
            *("closed", "rejected", "cancelled", "voided", "merged", "completed", "pending"),
            *("dead", "discarded", "failed", "refused", "dismissed", "corrected"),
            *("muted", "resolved"),
        ),
    },
    "channel": {"channel": ("dine_in", "takeaway", "delivery")},
}
"""Filters with a fixed set of values: the fact that has each. Whether an order is paid is a fact
beside its state, and people call both a state."""

AT, WHEN = "at", "when"
"""When a record happened: as a filter states it, or as a word like *yesterday* does. A record that
only has a time of its last change, like a dish, is not limited by such a word."""
MONEY = "money"
"""An amount as words like *over 50* limit it. They limit records that have amounts."""


class Unknown(NamedTuple):
    """What is unknown: a filter, or the value of the filter ``name``. ``known`` are those that
    there are; empty if a number or a day is expected."""

    written: str
    name: str
    known: Sequence[str]


@dataclass
class Filtered:
    """A query without its filters, and the filters: those that it names (``named``), and those that
    are guessed from ``words``."""

    text: str
    conditions: list[Condition] = field(default_factory=list)
    named: list[Condition] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)


Period = tuple[dt.date, dt.date]
"""The first day, and the day after the last."""


class _ValueUnknown(Exception):
    """The filter has no such value; its argument are those that there are."""


_Read = Callable[[re.Match[str], dt.date], Iterator[Condition]]

_CALLED = {word: name for name, words in NAMES.items() for word in (name, *words)}
_ORDERED = sorted(_CALLED, key=len, reverse=True)
_LATIN = "|".join(word for word in _ORDERED if word.isascii())
_CHINESE = "|".join(word for word in _ORDERED if not word.isascii())
_COMPARED = dict.fromkeys(("over", "above", "more than"), ">") | dict.fromkeys(
    ("under", "below", "less than"), "<"
)
_COMPARED_IN_CHINESE = dict.fromkeys(("大于", "超过", "高于"), ">") | dict.fromkeys(
    ("小于", "低于", "不到"), "<"
)
_SIDES = {"以上": ">=", "以下": "<=", "以内": "<="}
_OPERATORS = {**_COMPARED, **_COMPARED_IN_CHINESE, **_SIDES, "≥": ">=", "≤": "<="}
_FILTER = re.compile(
    rf"(?:(?<![A-Za-z0-9_.])(?P<known>{_LATIN})|(?P<chinese>{_CHINESE})"
    r"|(?<![A-Za-z0-9_.])(?P<other>[A-Za-z_]{2,}(?=:[^\s:/])))"
    r"\s*(?P<operator>>=|<=|[:=><≥≤]|大于|超过|小于|低于)\s*"
    r"(?:\"(?P<quoted>[^\"]+)\"|(?P<plain>[^\s,;。\"的]+))的?",
    re.IGNORECASE,
)
_MONEY = r"[¥$€]?\d{1,14}(?:\.\d+)?"
_NO_UNIT = r"(?=\s*(?:$|[,;.]|(?:in|at|from|by|for|and|yuan|rmb)\b|[A-Za-z]+-?\d))"
_BARE_AMOUNT = re.compile(
    rf"(?:(?:amount|total|price|金额|总额)\s*)?(?:"
    rf"\b(?P<operator>{'|'.join(_COMPARED)})\s+(?P<number>{_MONEY})"
    rf"{_NO_UNIT}(?:\s*(?:yuan|rmb))?"
    rf"|\bbetween\s+(?P<least>{_MONEY})\s+and\s+(?P<most>{_MONEY}){_NO_UNIT}"
    rf"|(?<![A-Za-z0-9.分-])(?P<first>{_MONEY})\s*[到至~-]\s*(?P<last>{_MONEY})[元块]的?"
    rf"|(?P<compared>{'|'.join(_COMPARED_IN_CHINESE)})\s*(?P<of>{_MONEY})"
    r"(?=\s|$|[元块的，])[元块]?的?"
    rf"|(?<![A-Za-z0-9.分-])(?P<money>{_MONEY})[元块]?(?P<side>{'|'.join(_SIDES)})的?)",
    re.IGNORECASE,
)
"""An amount without the name of the filter. What else is counted ("over 30 minutes") is none."""
_QUOTES = str.maketrans("“”„‟「」『』", '""""""""')

_DATE = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:T\d\d:\d\d(?::\d\d)?)?"
    r"|\d{4}年\d{1,2}月\d{1,2}日?|\d{1,2}月\d{1,2}[日号]"
)
_DAY = dt.timedelta(days=1)


def _days(first: dt.date, number: int = 1) -> Period:
    return first, first + number * _DAY


def _week(day: dt.date) -> Period:
    return _days(day - day.weekday() * _DAY, 7)


def _month(day: dt.date) -> Period:
    first = day.replace(day=1)
    return first, (first + 31 * _DAY).replace(day=1)


_WEEKDAYS = (
    *("monday|一", "tuesday|二", "wednesday|三", "thursday|四", "friday|五", "saturday|六"),
    "sunday|(?:日|(?<=[期拜])天)",
)
_OTHER_WEEKS = (("last", "上个?", -7), ("this", "[本这]个?", 0), ("next", "下个?", 7))


def _weekdays() -> Iterator[tuple[str, Callable[[dt.date, int], Period]]]:
    """The days of a week; without the week that day which was last, today included."""
    for number, names in enumerate(_WEEKDAYS):
        english, day = names.split("|", 1)
        chinese = f"(?:周|星期|礼拜){day}"
        for before, in_chinese, days in _OTHER_WEEKS:
            yield f"{before} {english}|{in_chinese}{chinese}", partial(_of_week, number + days)
        yield f"{english}|{chinese}", partial(_last_of_week, number)


def _of_week(number: int, today: dt.date, _: int) -> Period:
    return _days(_week(today)[0] + number * _DAY)


def _last_of_week(number: int, today: dt.date, _: int) -> Period:
    return _days(today - (today.weekday() - number) % 7 * _DAY)


_PERIODS: Mapping[str, Callable[[dt.date, int], Period]] = {
    **dict(_weekdays()),
    "today|tonight|今天|今日|今晚": lambda today, _: _days(today),
    "yesterday|last night|昨天|昨日|昨晚": lambda today, _: _days(today - _DAY),
    "前天": lambda today, _: _days(today - 2 * _DAY),
    "tomorrow|明天|明日": lambda today, _: _days(today + _DAY),
    "后天": lambda today, _: _days(today + 2 * _DAY),
    "this week|本周|这周|这个?星期": lambda today, _: _week(today),
    "last week|上周|上个?星期": lambda today, _: _week(today - 7 * _DAY),
    "next week|下周|下个?星期": lambda today, _: _week(today + 7 * _DAY),
    "this month|本月|这个月": lambda today, _: _month(today),
    "last month|上个?月": lambda today, _: _month(today.replace(day=1) - _DAY),
    r"(?:last|past) (\d{1,3}) days|(?:最近|过去|近)(\d{1,3})天": (
        lambda today, number: _days(today - (number - 1) * _DAY, number)
    ),
}
"""What a word means on a day; the last one has a number."""
_PERIOD = "|".join(_PERIODS)
_OF_NO_WEEK = re.compile(
    rf"(?<!last )(?<!this )(?<!next )\b({'|'.join(each.partition('|')[0] for each in _WEEKDAYS)})\b"
    r"|(?<![上下本这个])(?:周(?!天)|星期|礼拜)(?=[一二三四五六日天])",
    re.IGNORECASE,
)
_SINCE = re.compile(
    rf"({_DATE}|{_PERIOD})\s*(?P<side>之后|以后|以来|之前|以前)(?:的)?", re.IGNORECASE
)
_BARE = re.compile(
    r"(?:(?<![A-Za-z0-9_:])|(?<!:)(?![A-Za-z]))"
    rf"(?:{_PERIOD})(?:(?![A-Za-z0-9_'])|(?<![A-Za-z]))的?",
    re.IGNORECASE,
)
"""A word for days. Chinese is written beside other signs (S05昨天), English apart."""


def read_filters(text: str, *, today: dt.date, ahead: bool = False) -> Filtered:
    """Take the filters out of a query. A day of no week is that which was last; ``ahead`` that of
    this week."""
    found = Filtered(compatible(text).translate(_QUOTES))
    if ahead:
        found.text = _OF_NO_WEEK.sub(
            lambda match: ("this " if match[1] else "本") + match[0], found.text
        )
    for pattern, read in (
        *((_FILTER, _named), (_SINCE, _since), (_BARE, _bare)),
        (_BARE_AMOUNT, _bare_amount),
    ):
        found.text = pattern.sub(partial(_taken, read, found, today), found.text)
    if found.conditions:
        found.text = " ".join(found.text.split()).strip(" ,;")
    elif not found.unknown:
        found.text = text
    return found


def _taken(read: _Read, found: Filtered, today: dt.date, match: re.Match[str]) -> str:
    """What remains of a match in the text: nothing of a filter, all of what is none."""
    name = _name_of(match) if read is _named else AT
    if not name:
        found.unknown.append(Unknown(match["other"], "", tuple(NAMES)))
        return match[0]
    try:
        conditions = list(read(match, today))
        found.conditions += conditions
        if read is _named:
            found.named += conditions
        else:
            found.words.append(match[0].strip())
    except _ValueUnknown as error:
        written = match["quoted"] or match["plain"] if read is _named else match[1]
        found.unknown.append(Unknown(written, name, error.args[0]))
        return match[0]
    return " "


def _name_of(match: re.Match[str]) -> str:
    written = match["known"] or match["chinese"] or ""
    return _CALLED.get(written.lower(), "")


def _named(match: re.Match[str], today: dt.date) -> Iterator[Condition]:
    name, value = _name_of(match), match["quoted"] or match["plain"]
    operator = _OPERATORS.get(match["operator"], match["operator"]).replace(":", "=")
    if name == "day" and (side := _SINCE.fullmatch(value)):
        yield from _since(side, today)
    elif name in ("after", "before", "day"):
        since, until = _period(value, today)
        if name != "before":
            yield Condition(AT, ">=", since)
        if name != "after":
            yield Condition(AT, "<", since if name == "before" else until)
    elif name == "amount":
        yield Condition(name, operator, _number(value))
    else:
        several = () if match["quoted"] else tuple(filter(None, re.split("[|、]", value)))
        values = several or (value,)
        yield from _coded(name, values) if name in CODES else [_one_of(name, values)]


def _one_of(name: str, values: tuple[str, ...]) -> Condition:
    return Condition(name, "in", values) if len(values) > 1 else Condition(name, "=", values[0])


def _coded(name: str, values: Sequence[str]) -> Iterator[Condition]:
    """The conditions of values of a fixed set, each with the fact that has it."""
    for fact, codes in CODES[name].items():
        meant = [codes_called(each.lower(), codes) for each in values]
        if all(meant):
            yield _one_of(fact, tuple(dict.fromkeys(chain.from_iterable(meant))))
            return
    raise _ValueUnknown([code for codes in CODES[name].values() for code in codes])


def _since(match: re.Match[str], today: dt.date) -> Iterator[Condition]:
    since, _ = _period(match[1], today)
    yield Condition(AT, "<" if match["side"] in ("之前", "以前") else ">=", since)


def _bare(match: re.Match[str], today: dt.date) -> Iterator[Condition]:
    since, until = _period(match[0].removesuffix("的"), today)
    yield Condition(WHEN, ">=", since)
    yield Condition(WHEN, "<", until)


def _bare_amount(match: re.Match[str], today: dt.date) -> Iterator[Condition]:
    if least := match["least"] or match["first"]:
        yield Condition(MONEY, ">=", _number(least))
        yield Condition(MONEY, "<=", _number(match["most"] or match["last"]))
    else:
        operator = match["operator"] or match["compared"] or match["side"]
        value = match["number"] or match["of"] or match["money"]
        yield Condition(MONEY, _OPERATORS[operator.lower()], _number(value))


def _number(value: str) -> Decimal:
    if (amount := amount_of(value.strip("¥$€元块"))) is None:
        raise _ValueUnknown(())
    return amount


def _period(value: str, today: dt.date) -> Period:
    """The period of a date or a word; a time is itself alone."""
    for pattern, of in _PERIODS.items():
        if match := re.fullmatch(pattern, value, re.IGNORECASE):
            return of(today, int(next(filter(None, match.groups()), 0)))
    try:
        since = _date(value, today)
        return since, since if isinstance(since, dt.datetime) else since + _DAY
    except (ValueError, OverflowError):
        raise _ValueUnknown(()) from None


def _date(value: str, today: dt.date) -> dt.date:
    """A day as it is written; one without a year is the last of that name. Raises ValueError."""
    if "T" in value:
        return dt.datetime.fromisoformat(value)
    if not re.fullmatch(_DATE, value):
        raise ValueError(value)
    parts = [int(part) for part in re.findall(r"\d+", value)]
    if len(parts) == len(("year", "month", "day")):
        return dt.date(*parts)
    found = dt.date(today.year, *parts)
    return found if found <= today else found.replace(year=today.year - 1)
