"""Finds what looks like a person's data in any text, and masks values by their kind. Imports no
Django.

Phones, cards, identity cards and e-mails are found. Names and addresses look like nothing in
particular: they are found by their keys alone. Ids, amounts and times stay: a number counts as a
phone or a card only by its length, its beginning and its check digit.

What is left of a masked value depends on its kind. Masking twice is masking once.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from neural.personal.keys import Kind

HIDDEN = "****"
PHONE_DIGITS = 7
"""A phone has as many, or more."""
_MASKED_PHONE = re.compile(r"(\+86 )?\d{3}\*{4}\d{4}|\*{4}\d{0,4}")
_WHOLE_MOBILE = re.compile(r"1[3-9]\d{9}")
_MASKED_NUMBER = re.compile(r"\*{4}.{0,4}", re.DOTALL)
_WHOLE_EMAIL = re.compile(r"\s*([^\s@＠])([^\s@＠]*)[@＠]([^\s@＠]+)\s*")


def masked_phone(text: str) -> str:
    """``138****5678`` of a Chinese mobile number, else ``****`` and the last four digits."""
    if _MASKED_PHONE.fullmatch(text):
        return text
    digits = digits_of(text).removeprefix("00")
    country = "+86 " if digits.startswith("86") and len(digits) >= 13 else ""
    digits = digits.removeprefix("86") if country else digits
    if _WHOLE_MOBILE.match(digits) and (country or not text.lstrip().startswith(("+", "＋"))):
        return f"{country}{digits[:3]}{HIDDEN}{digits[7:11]}"
    return HIDDEN + (digits[-4:] if len(digits) >= PHONE_DIGITS else "")


def masked_name(text: str) -> str:
    """``王**``: the first character stays."""
    return f"{text.strip()[0]}**" if text.strip() else text


def masked_email(text: str) -> str:
    """``w***@example.com``: the first character and the domain stay."""
    found = _WHOLE_EMAIL.fullmatch(text)
    return f"{found[1]}***@{found[3]}" if found else HIDDEN


def masked_number(text: str) -> str:
    """``****1234``: the last four characters of a long value stay."""
    if _MASKED_NUMBER.fullmatch(text):
        return text
    plain = re.sub(r"[\s-]", "", text)
    return HIDDEN + (plain[-4:] if len(plain) > 8 else "")


def masked_person(text: str) -> str:
    """A name, an e-mail address or a phone, masked as such."""
    if _WHOLE_EMAIL.fullmatch(text):
        return masked_email(text)
    return masked_name(text) if any(map(str.isalpha, text)) else masked_phone(text)


def names_nobody(value: Any, kind: Kind) -> bool:
    """Whether a value under a key that names a person is no more than a count: ``guests: 3``."""
    if kind is not Kind.PERSON:
        return False
    if not isinstance(value, str):
        return True
    return len(digits_of(value)) < PHONE_DIGITS and not any(map(str.isalpha, value))


_OF_TEXT: Mapping[Kind, Callable[[str], str]] = {
    Kind.PHONE: masked_phone,
    Kind.NAME: masked_name,
    Kind.EMAIL: masked_email,
    Kind.NUMBER: masked_number,
    Kind.TEXT: lambda text: HIDDEN,
    Kind.PERSON: masked_person,
}


def masked(value: Any, kind: Kind) -> Any:
    """A value of JSON that is no list and no object, masked. Its type stays: of a number that is a
    phone's or a card's the last four digits stay, and 0 of any other number."""
    if names_nobody(value, kind):
        return value
    if isinstance(value, str):
        return _OF_TEXT[kind](value) if value else value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return abs(value) % 10_000 if kind in (Kind.PHONE, Kind.NUMBER) else 0
    return type(value)(0) if isinstance(value, float | Decimal) else HIDDEN


def digits_of(text: str) -> str:
    """The digits of a text as ASCII; full-width ones count."""
    return "".join(str(int(each)) for each in text if each.isdecimal())


_DIGIT = "[0-9０-９]"  # \d would be three times as slow
_SEPARATOR = r"[ \u00a0\u3000\t.\-‐-―－]?"
# Neither a part of a longer number, nor of a hash or a UUID, nor the decimals of an amount.
_BEFORE = r"(?<![0-9０-９*])(?<![0-9][._])(?<![0-9a-fA-F-][a-fA-F])"
_AFTER = r"(?![0-9０-９*])(?!\.[0-9])(?![a-fA-F][0-9a-fA-F])"

_EMAIL = re.compile(r"(?<![\w.+%*@＠-])[\w.+%-]+[@＠][\w-]+(?:\.[\w-]+)+")
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # taken whole, and left
_MOBILE = re.compile(
    rf"{_UUID}|{_BEFORE}(?:(?:[+＋]|00)?[8８][6６]{_SEPARATOR})?"
    rf"[1１][3-9３-９]{_DIGIT}{_SEPARATOR}{_DIGIT}{{4}}{_SEPARATOR}{_DIGIT}{{4}}{_AFTER}"
)
_AREA = "(?:10|2[0-57-9]|[3-9][0-9]{2})"
_LANDLINE = re.compile(
    rf"{_UUID}|{_BEFORE}(?<![A-Za-z_-])(?:[(（]0{_AREA}[)）] ?|0{_AREA}[-－ ]"
    rf"|0{_AREA}(?=[0-9]{{7,8}}(?![0-9])))[2-8][0-9]{{2,3}}[- ]?[0-9]{{4}}{_AFTER}"
)
_ABROAD = re.compile(rf"(?<![\w+])[+＋][1-9][0-9]{{0,2}}(?:[ .()-]{{0,2}}[0-9]){{6,12}}{_AFTER}")
_IDENTITY = re.compile(rf"{_BEFORE}[1-9１-９]{_DIGIT}{{16}}[0-9０-９XxＸｘ](?![0-9０-９A-Za-z*])")
_LONG = re.compile(rf"{_UUID}|{_BEFORE}{_DIGIT}{{3,}}(?:[ -]{_DIGIT}{{3,}})*{_AFTER}")
_GROUP = re.compile(rf"{_DIGIT}+")
_DATED = re.compile(r"[0-9]{6}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_CARDS = re.compile(
    r"4\d{12}(?:\d{3})?"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|62\d{14,17}"  # UnionPay
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6(?:011|5\d\d)\d{12}"
)
_SIGN = re.compile("[0-9０-９@＠]")
_MAY_BE = re.compile(rf"[@＠]|{_DIGIT}(?:[ \u00a0\u3000\t.()（）\-‐-―－]{{0,2}}{_DIGIT}){{7}}")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def masked_text(text: str) -> str:
    """The text with all that looks like a person's data masked."""
    if (sign := _SIGN.search(text)) is None:
        return text
    while _MAY_BE.search(text, sign.start()):
        changed = _once(text)
        if changed == text:  # a mask may leave digits that begin another number
            break
        text = changed
    return text


def _once(text: str) -> str:
    if "@" in text or "＠" in text:
        text = _EMAIL.sub(lambda found: masked_email(found[0]), text)
    text = _IDENTITY.sub(_identity, text)
    text = _MOBILE.sub(_phone, text)
    text = _LONG.sub(_cards, text)
    text = _LANDLINE.sub(_phone, text)
    return _ABROAD.sub(_phone, text)


def _phone(found: re.Match[str]) -> str:
    return found[0] if _is_uuid(found) else masked_phone(found[0])


def _is_uuid(found: re.Match[str]) -> bool:
    return len(found[0]) == 36 and found[0][8:24:5] == "----"


def _identity(found: re.Match[str]) -> str:
    digits = digits_of(found[0][:17])
    rest = sum(weight * int(each) for weight, each in zip(_WEIGHTS, digits, strict=True)) % 11
    last = unicodedata.normalize("NFKC", found[0][17]).upper()
    is_one = last == "10X98765432"[rest] and _DATED.match(digits) is not None
    return HIDDEN + digits[-3:] + last if is_one else found[0]


def _cards(found: re.Match[str]) -> str:
    """The numbers with those masked that are a card's, whose digits may stand in groups."""
    groups = list(_GROUP.finditer(found[0]))
    if len(found[0]) < 13 or _is_uuid(found):
        return found[0]
    shown, first = "", 0
    place = 0
    while first < len(groups):
        last = _end_of_card(groups, first)
        if last is None:
            first += 1
            continue
        digits = digits_of("".join(each[0] for each in groups[first : last + 1]))
        shown += found[0][place : groups[first].start()] + HIDDEN + digits[-4:]
        place, first = groups[last].end(), last + 1
    return shown + found[0][place:]


def _end_of_card(groups: list[re.Match[str]], first: int) -> int | None:
    digits = ""
    for last in range(first, min(first + 8, len(groups))):
        digits += digits_of(groups[last][0])
        if len(digits) > 19:
            break
        if len(digits) >= 13 and is_card(digits):
            return last
    return None


def is_card(digits: str) -> bool:
    """Whether these digits are a payment card's: beginning, length and check digit (Luhn)."""
    if not _CARDS.fullmatch(digits):
        return False
    doubled = (sum(divmod(2 * int(each), 10)) for each in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[::-2]))) % 10 == 0
