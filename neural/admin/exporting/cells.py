"""Cells of a CSV file that a spreadsheet opens as they are: nothing becomes a formula, and no text
becomes a number or a date.

A spreadsheet decides by a cell's text what it is; a file cannot tell it. See docs/export.md.
"""

import math
import re
from decimal import Decimal

LONGEST = 32_767
"""Characters that a cell of Excel can hold. A longer one would run over into other cells."""
CUT = "…"
EXACT = 10**15
"""Excel keeps fifteen digits of a number, and writes zeros for the rest."""

_FORMULA = re.compile(
    # What begins a formula, also behind what is not seen or is taken off when a cell is read.
    "['\"\\s\x00-\x1f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]*[=+\\-@＝＋－＠]|'*[\t\r\n]"
)
_DIGIT = re.compile(r"\d")
_PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]{0,10}")
"""The same as a number: nothing is lost, and none of them is shown like 1.23E+11."""
_MONTH = "(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*"
_NUMBER_OR_DATE = re.compile(
    rf"[\s.(¥￥$€£上下午]*(?:\d|{_MONTH})"
    rf"(?:[\s\d.,:/()%+\-e¥￥$€£年月日号时時分秒上下午]|[ap]m?|{_MONTH})*",
    re.IGNORECASE,
)


def text_cell(text: str) -> str:
    """A text as a cell. What would begin a formula gets an apostrophe before it; what looks like a
    number or a date gets a tab behind it, which makes it text and is not seen."""
    text = text.replace("\0", "")
    if len(text) > LONGEST - 2:
        text = text[: LONGEST - 2 - len(CUT)] + CUT
    if _FORMULA.match(text):
        return f"'{text}"
    return f"{text}\t" if _would_be_converted(text) else text


def number_cell(number: int | float | Decimal) -> str:
    """A number as a cell; one that a spreadsheet cannot keep exactly is a text."""
    if isinstance(number, Decimal):
        return format(number, "f") if number.is_finite() else text_cell(str(number))
    if isinstance(number, float):
        return repr(number) if math.isfinite(number) else text_cell(str(number))
    return str(number) if -EXACT < number < EXACT else text_cell(str(number))


def _would_be_converted(text: str) -> bool:
    if text.strip().lower() in ("true", "false"):
        return True
    if _PLAIN_NUMBER.fullmatch(text) or not _DIGIT.search(text):
        return False
    return _NUMBER_OR_DATE.fullmatch(text) is not None
