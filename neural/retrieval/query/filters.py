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

AT, WHEN, DATE = "at", "when", "date"
"""When a record happened: as a filter states it, or as a word like *yesterday* does. A record that
only has a time of its last change, like a dish, is not limited by such a word. A date has the day
and what a record calls it."""
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


class _Now(NamedTuple):
    """The day on which something is asked, and whether the records lie ahead."""

    today: dt.date
    ahead: bool = False


class _ValueUnknown(Exception):
    """The filter has no such value; its argument are those that there are."""


_Read = Callable[[re.Match[str], _Now], Iterator[Condition]]

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
# Numbers in words

_DIGITS = {"〇": 0, "两": 2, **{each: at for at, each in enumerate("零一二三四五六七八九")}}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "hundred": 100, "thousand": 1_000}
_VALUES = {
    **_DIGITS,
    **{each: at for at, each in enumerate(_ONES.split())},
    **{each: 20 + 10 * at for at, each in enumerate(_TENS.split())},
}
_NUMERAL = "[零〇一二两三四五六七八九十百千万]"
_WORDS = (*_ONES.split(), *_TENS.split(), "hundred", "thousand")
_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_SPELLED = rf"(?<![a-z])(?:{_WORD})(?:(?: and |[ -])(?:{_WORD})){{0,7}}(?![a-z])"
_COUNT = rf"\d{{1,3}}|{_NUMERAL}{{1,4}}|{_SPELLED}"
_READ_WORD = re.compile(rf"{_NUMERAL}|{_WORD}", re.IGNORECASE)
_SPOKEN = re.compile(
    rf"(?:(?<!{_NUMERAL})(?P<whole>{_NUMERAL}{{2,9}}|{_NUMERAL}(?=块[一二三四五六七八九]))"
    r"(?:(?=号?桌|台)|元|块(?P<part>[一二三四五六七八九])?[毛角钱]?)"
    rf"|(?P<spelled>{_SPELLED}) (?:yuan|rmb|dollars|euros))",
    re.IGNORECASE,
)


def number_in_words(written: str) -> int:
    """The number that words say: 十二, 两百五, two hundred and fifty."""
    whole = part = number = 0
    least = 1
    for word in _READ_WORD.findall(written.lower()):
        if unit := _UNITS.get(word):
            if unit == max(_UNITS.values()) or word == "thousand":
                whole, part = (whole + part + number or 1) * unit, 0
            else:
                part += (number or 1) * unit
            number, least = 0, unit
        else:
            number, least = number + _VALUES[word], 1 if not _VALUES[word] else least
    if written[-1:] in _DIGITS and least >= _UNITS["百"]:
        number *= least // 10  # 两百五
    return whole + part + number


def with_digits(text: str) -> str:
    """The text with amounts and tables in words as digits: 九十八块六 as 98.6."""

    def written(match: re.Match[str]) -> str:
        cents = f".{_DIGITS[match['part']]}" if match["part"] else ""
        return f"{number_in_words(match['whole'] or match['spelled'])}{cents}"

    return _SPOKEN.sub(written, text)


_MONEY = rf"(?:[¥$€]?\d{{1,14}}(?:\.\d+)?|{_NUMERAL}{{1,9}}|{_SPELLED})"
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

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_TH = r"\d{1,2}(?:st|nd|rd|th)?"
_NUMBER = rf"(?:\d{{1,2}}|{_NUMERAL}{{1,3}})"
_DATE = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:T\d\d:\d\d(?::\d\d)?)?"
    rf"|(?:\d{{4}}年)?{_NUMBER}月{_NUMBER}[日号]?"
    rf"|(?:{_TH}(?: of)? {_MONTH}|{_MONTH}\.? {_TH})(?:,? \d{{4}})?"
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
_OTHER_WEEKS = (
    *(("last", "上个?", -7), ("this", "[本这]个?", 0), ("next", "下个?", 7)),
    *(("week before last", "上上个?", -14), ("week after next", "下下个?", 14)),
)


def _weekdays() -> Iterator[tuple[str, Callable[[_Now, int], Period]]]:
    """The days of a week; without the week that day which was last, today included, and of records
    that lie ahead the one of this week."""
    for number, names in enumerate(_WEEKDAYS):
        english, day = names.split("|", 1)
        chinese = f"(?:周|星期|礼拜){day}"
        for before, in_chinese, days in _OTHER_WEEKS:
            yield f"{before} {english}|{in_chinese}{chinese}", partial(_of_week, number + days)
        yield f"{english}|{chinese}", partial(_last_of_week, number)


def _of_week(number: int, now: _Now, _: int) -> Period:
    return _days(_week(now.today)[0] + number * _DAY)


def _last_of_week(number: int, now: _Now, _: int) -> Period:
    if now.ahead:
        return _of_week(number, now, _)
    return _days(now.today - (now.today.weekday() - number) % 7 * _DAY)


def _day(days: int) -> Callable[[_Now, int], Period]:
    return lambda now, _: _days(now.today + days * _DAY)


def _whole_week(weeks: int) -> Callable[[_Now, int], Period]:
    return lambda now, _: _week(now.today + 7 * weeks * _DAY)


def _newest(days: int) -> Callable[[_Now, int], Period]:
    """The last so many of these, today included."""
    return lambda now, number: _days(now.today - (days * number - 1) * _DAY, days * number)


_PERIODS: Mapping[str, Callable[[_Now, int], Period]] = {
    **dict(_weekdays()),
    "today|tonight|今天|今日|今晚": _day(0),
    "yesterday|last night|昨天|昨日|昨晚": _day(-1),
    "(?:the )?day before yesterday|前天|前日": _day(-2),
    "大前天": _day(-3),
    "tomorrow|明天|明日": _day(1),
    "(?:the )?day after tomorrow|后天": _day(2),
    "大后天": _day(3),
    "this week|[本这]周|这个?星期": _whole_week(0),
    "last week|上周|上个?星期": _whole_week(-1),
    "next week|下周|下个?星期": _whole_week(1),
    "(?:the )?week before last|上上周|上上个?星期": _whole_week(-2),
    "this month|本月|这个月": lambda now, _: _month(now.today),
    "last month|上个?月": lambda now, _: _month(now.today.replace(day=1) - _DAY),
    rf"({_COUNT}) days ago|({_COUNT})天前": lambda now, days: _days(now.today - days * _DAY),
    rf"({_COUNT}) weeks? ago|({_COUNT})(?:周|个?星期)前": (
        lambda now, weeks: _week(now.today - 7 * weeks * _DAY)
    ),
    rf"(?:last|past) ({_COUNT}) days|(?:最近|过去|近)({_COUNT})天": _newest(1),
    rf"(?:last|past) ({_COUNT}) weeks|(?:最近|过去|近)({_COUNT})(?:周|个?星期)": _newest(7),
}
"""What a word means on a day; the last ones have a number. A longer word begins earlier in the
text, so that 大前天 is not read as 前天."""
_PERIOD = "|".join(_PERIODS)
_SINCE = re.compile(
    rf"({_DATE}|{_PERIOD})\s*(?P<side>之后|以后|以来|之前|以前)(?:的)?", re.IGNORECASE
)
_BARE = re.compile(
    r"(?:(?<![A-Za-z0-9_:/-])|(?<!:)(?![A-Za-z0-9]))"
    rf"(?P<period>{_PERIOD}|{_DATE})"
    r"(?:['’]s(?![A-Za-z])|(?![A-Za-z0-9_'/-])|(?<![A-Za-z0-9]))的?",
    re.IGNORECASE,
)
"""A word for days. Chinese is written beside other signs (S05昨天), English apart."""


def read_filters(text: str, *, today: dt.date, ahead: bool = False) -> Filtered:
    """Take the filters out of a query. A day of no week is that which was last; ``ahead`` that of
    this week."""
    found, now = Filtered(compatible(text).translate(_QUOTES)), _Now(today, ahead)
    for pattern, read in (
        *((_FILTER, _named), (_SINCE, _since), (_BARE, _bare)),
        (_BARE_AMOUNT, _bare_amount),
    ):
        found.text = pattern.sub(partial(_taken, read, found, now), found.text)
    if found.conditions:
        found.text = " ".join(found.text.split()).strip(" ,;")
    elif not found.unknown:
        found.text = text
    return found


def _taken(read: _Read, found: Filtered, now: _Now, match: re.Match[str]) -> str:
    """What remains of a match in the text: nothing of a filter, all of what is none."""
    name = _name_of(match) if read is _named else AT
    if not name:
        found.unknown.append(Unknown(match["other"], "", tuple(NAMES)))
        return match[0]
    try:
        conditions = list(read(match, now))
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


def _named(match: re.Match[str], now: _Now) -> Iterator[Condition]:
    name, value = _name_of(match), match["quoted"] or match["plain"]
    operator = _OPERATORS.get(match["operator"], match["operator"]).replace(":", "=")
    if name == "day" and (side := _SINCE.fullmatch(value)):
        yield from _since(side, now)
    elif name in ("after", "before", "day"):
        since, until = _period(value, now)
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


def _since(match: re.Match[str], now: _Now) -> Iterator[Condition]:
    since, _ = _period(match[1], now)
    yield Condition(AT, "<" if match["side"] in ("之前", "以前") else ">=", since)


def _bare(match: re.Match[str], now: _Now) -> Iterator[Condition]:
    since, until = _period(match["period"], now)
    if re.fullmatch(_DATE, match["period"], re.IGNORECASE):
        has_year = re.search(r"\d{4}", match["period"])
        called = since.isoformat() if has_year else f"{since.month}月{since.day}日"
        yield Condition(DATE, "=", (since, called))
        return
    yield Condition(WHEN, ">=", since)
    yield Condition(WHEN, "<", until)


def _bare_amount(match: re.Match[str], now: _Now) -> Iterator[Condition]:
    if least := match["least"] or match["first"]:
        yield Condition(MONEY, ">=", _number(least))
        yield Condition(MONEY, "<=", _number(match["most"] or match["last"]))
    else:
        operator = match["operator"] or match["compared"] or match["side"]
        value = match["number"] or match["of"] or match["money"]
        yield Condition(MONEY, _OPERATORS[operator.lower()], _number(value))


def _number(value: str) -> Decimal:
    bare = value.strip("¥$€元块")
    amount = Decimal(number_in_words(bare)) if _READ_WORD.match(bare) else amount_of(bare)
    if amount is None:
        raise _ValueUnknown(())
    return amount


def _period(value: str, now: _Now) -> Period:
    """The period of a date or a word; a time is itself alone."""
    for pattern, of in _PERIODS.items():
        if match := re.fullmatch(pattern, value, re.IGNORECASE):
            count = next(filter(None, match.groups()), "0")
            return of(now, int(count) if count.isdecimal() else number_in_words(count))
    try:
        since = _date(value, now)
        return since, since if isinstance(since, dt.datetime) else since + _DAY
    except (ValueError, OverflowError):
        raise _ValueUnknown(()) from None


def _date(value: str, now: _Now) -> dt.date:
    """A day as it is written; one without a year is the last of that name, of records that lie
    ahead the nearest. Raises ValueError."""
    if not re.fullmatch(_DATE, value, re.IGNORECASE):
        raise ValueError(value)
    if re.search(r"\dT\d", value):
        return dt.datetime.fromisoformat(value)
    parts = [_part(part) for part in re.findall(rf"\d+|{_NUMERAL}+|{_MONTH}", value.lower())]
    if named := re.search(_MONTH, value.lower()):
        month = 1 + _MONTHS.index(named[0][:3])
        parts.remove(0)
        parts = [*parts[1:], month, parts[0]]
    if len(parts) == len(("year", "month", "day")):
        return dt.date(*parts)
    found = dt.date(now.today.year, *parts)
    latest = now.today + (_HALF_A_YEAR if now.ahead else 0) * _DAY
    return found if found <= latest else found.replace(year=found.year - 1)


_HALF_A_YEAR = 183


def _part(written: str) -> int:
    if written.isdecimal():
        return int(written)
    return number_in_words(written) if _READ_WORD.match(written) else 0
