"""The two formats of a file: CSV, which spreadsheets open, and NDJSON, which programs read."""

import csv
import datetime as dt
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _

from neural.admin.exporting.columns import Column

BYTE_ORDER_MARK = "\ufeff"
"""By it Excel knows that a CSV file is UTF-8; without it Chinese is garbled."""
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
_MONTH = "(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*+"
_NUMBER_OR_DATE = re.compile(
    rf"[\s.(¥￥$€£上下午]*(?:\d|{_MONTH})"
    rf"(?:{_MONTH}|[\s\d.,:/()%+\-e¥￥$€£年月日号时時分秒上下午]|[ap]m?)*+",
    re.IGNORECASE,
)


class Format:
    """A format with the columns of one file. Texts are in the language that was active when it was
    made."""

    extension: ClassVar[str]
    label: ClassVar[str]
    content_type: ClassVar[str]

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.cut_short = _("incomplete: the database did not answer after %(count)d rows")

    def beginning(self) -> bytes:
        """What comes before the first row."""
        raise NotImplementedError

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """Rows, each with a value for each column."""
        raise NotImplementedError

    def incomplete(self, count: int) -> bytes:
        """The last line of a file that lacks rows."""
        raise NotImplementedError


class Csv(Format):
    """For people: headings and codes in their language, times in the site's zone."""

    extension = "csv"
    label = "CSV"
    content_type = "text/csv; charset=utf-8"

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self._zone = timezone.get_current_timezone()
        self._boolean = {True: _("yes"), False: _("no")}

    def beginning(self) -> bytes:
        headings = [text_cell(each.label) for each in self.columns]
        return BYTE_ORDER_MARK.encode() + _lines([headings])

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        return _lines(
            [self._cell(column, value) for column, value in zip(self.columns, row, strict=True)]
            for row in rows
        )

    def incomplete(self, count: int) -> bytes:
        return _lines([[f"# {self.cut_short % {'count': count}}"]])

    def _cell(self, column: Column, value: Any) -> str:
        if value is None:
            return ""
        if column.labels:
            value = column.labels.get(value, value)
        if isinstance(value, bool):
            return self._boolean[value]
        if isinstance(value, int | float | Decimal):
            return number_cell(value)
        if isinstance(value, dt.timedelta):
            return number_cell(value.total_seconds())
        return self._moment(value) or text_cell(value if isinstance(value, str) else _json(value))

    def _moment(self, value: Any) -> str:
        """A time or a date as spreadsheets read them; empty for anything else."""
        if isinstance(value, dt.datetime):
            return value.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
        if isinstance(value, dt.date | dt.time):
            return value.isoformat()
        return ""


class Ndjson(Format):
    """For programs: a JSON object a line, codes and numbers as they are kept, times in UTC."""

    extension = "ndjson"
    label = "NDJSON"
    content_type = "application/x-ndjson"

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self._names = [None if each.is_for_people else each.name for each in columns]

    def beginning(self) -> bytes:
        return b""

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        return b"".join(self._line(row) for row in rows)

    def incomplete(self, count: int) -> bytes:
        return _json_line({"error": self.cut_short % {"count": count}})

    def _line(self, row: Sequence[Any]) -> bytes:
        named = zip(self._names, row, strict=True)
        return _json_line({name: value for name, value in named if name is not None})


FORMATS: Sequence[type[Format]] = (Csv, Ndjson)


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode(errors="replace")  # half of a surrogate pair is no text


def _json_line(value: Any) -> bytes:
    # Half of a surrogate pair can be written in JSON only by its escape, which this is.
    return f"{_json(value)}\n".encode(errors="backslashreplace")


def _json(value: Any) -> str:
    options: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":"), "default": _plain}
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_without_nan(value), **options)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, dt.timedelta) else str(value)


def _without_nan(value: Any) -> Any:
    """The same with null in place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
