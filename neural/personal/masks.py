"""What is left of a value that is masked. Masking twice is masking once. Imports no Django."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from neural.personal.keys import Kind

HIDDEN = "****"
PHONE_DIGITS = 7
"""A phone has as many, or more."""
_MASKED_PHONE = re.compile(r"(\+86 )?\d{3}\*{4}\d{4}|\*{4}\d{0,4}")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_MASKED_NUMBER = re.compile(r"\*{4}.{0,4}", re.DOTALL)
_EMAIL = re.compile(r"\s*([^\s@＠])([^\s@＠]*)[@＠]([^\s@＠]+)\s*")


def masked_phone(text: str) -> str:
    """``138****5678`` of a Chinese mobile number, else ``****`` and the last four digits."""
    if _MASKED_PHONE.fullmatch(text):
        return text
    digits = digits_of(text).removeprefix("00")
    country = "+86 " if digits.startswith("86") and len(digits) >= 13 else ""
    digits = digits.removeprefix("86") if country else digits
    if _MOBILE.match(digits) and (country or not text.lstrip().startswith(("+", "＋"))):
        return f"{country}{digits[:3]}{HIDDEN}{digits[7:11]}"
    return HIDDEN + (digits[-4:] if len(digits) >= PHONE_DIGITS else "")


def masked_name(text: str) -> str:
    """``王**``: the first character stays."""
    return f"{text.strip()[0]}**" if text.strip() else text


def masked_email(text: str) -> str:
    """``w***@example.com``: the first character and the domain stay."""
    found = _EMAIL.fullmatch(text)
    return f"{found[1]}***@{found[3]}" if found else HIDDEN


def masked_number(text: str) -> str:
    """``****1234``: the last four characters of a long value stay."""
    if _MASKED_NUMBER.fullmatch(text):
        return text
    plain = re.sub(r"[\s-]", "", text)
    return HIDDEN + (plain[-4:] if len(plain) > 8 else "")


def masked_person(text: str) -> str:
    """A name, an e-mail address or a phone, masked as such."""
    if _EMAIL.fullmatch(text):
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
