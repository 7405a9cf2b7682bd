"""Types of the API's fields: how each is read, checked, written and described."""

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from neural.kit.storable import is_storable

LARGEST_KEY = 2**63 - 1
EARLIEST, LATEST = dt.date(1970, 1, 1), dt.date(2200, 12, 31)
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("contains U+0000 or half of a surrogate pair, which no row has")
    return text


def _in_our_time(day: dt.date) -> dt.date:
    if not EARLIEST <= day <= LATEST:
        raise ValueError(f"is a day from {EARLIEST} to {LATEST}")
    return day


def _with_plus(value: Any) -> Any:
    """Repair a time zone whose plus sign was not encoded in the URL, where it is a space."""
    return _LOST_PLUS.sub("+", value) if isinstance(value, str) else value


def _in_utc(moment: dt.datetime) -> dt.datetime:
    if not EARLIEST.year < moment.year <= LATEST.year:
        raise ValueError(f"is a time of the years {EARLIEST.year + 1} to {LATEST.year}")
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def in_iso(moment: dt.datetime) -> str:
    """A time as the API writes it: ISO 8601, UTC, with Z."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def text(most: int, *, least: int = 0, example: str = "") -> Any:
    """Text of at most so many characters that a database can compare."""
    examples = [example] if example else None
    return Annotated[
        str,
        Field(min_length=least, max_length=most, examples=examples),
        Field(json_schema_extra={"pattern": r"^[^\u0000]*$"}),
        AfterValidator(_storable),
    ]


StoreCode = text(64, example="S01")
TASK_ID = "0195c0de-0000-7000-8000-000000000001"
TaskId = Annotated[str, Field(examples=[TASK_ID])]
HandlerName = Annotated[str, Field(examples=["neural.record_order"])]

RowKey = Annotated[int, Field(ge=1, le=LARGEST_KEY, examples=[4711])]

AskedInstant = Annotated[
    dt.datetime,
    BeforeValidator(_with_plus),
    AfterValidator(_in_utc),
    Field(examples=["2026-03-01T12:00:00Z"]),
]
"""A time in a request; without a time zone it is UTC."""

AskedDay = Annotated[dt.date, AfterValidator(_in_our_time), Field(examples=["2026-03-01"])]

Instant = Annotated[
    dt.datetime,
    PlainSerializer(in_iso, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-03-01T12:00:00.123456Z"]}
    ),
]
"""A time in an answer."""

Day = Annotated[
    dt.date,
    PlainSerializer(dt.date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-01"]}),
]

Money = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["88.000"]}),
]
"""An amount in the order's currency, or a quantity: exact, as a decimal string."""
