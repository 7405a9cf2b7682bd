"""The types of fields in the payload schemas, and the bases of all that names a dish. Lengths and
digits are those of the columns, so that every accepted payload can be stored."""

import datetime as dt
import math
import re
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from neural.events.schema import Payload
from neural.events.types import LARGEST_OFFSET, OFFSET_TOO_LARGE
from neural.restaurant.models.amounts import (
    AMOUNT_DIGITS,
    DECIMAL_PLACES,
    QUANTITY_DIGITS,
    QUANTITY_PLACES,
    TOTAL_DIGITS,
    rounded,
)

EARLIEST_YEAR, LATEST_YEAR = 1970, 2200
LARGEST_QUANTITY = 1_000_000
LARGEST_TOTAL = Decimal(10) ** (AMOUNT_DIGITS - DECIMAL_PLACES)
MOST_LINES = 1000
CURRENCY = re.compile("^([A-Z]{3})?$")


def _without_float_noise(value: Any) -> Any:
    """JSON has only floats, so what a till wrote as 12.3 may arrive as 12.299999999999999."""
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(repr(round(value, DECIMAL_PLACES + 3)))
    return value


def _not_a_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _in_our_time(value: dt.date) -> dt.date:
    if not EARLIEST_YEAR <= value.year <= LATEST_YEAR:
        raise ValueError(f"must be between the years {EARLIEST_YEAR} and {LATEST_YEAR}")
    return value


def _at_a_place_on_earth(value: dt.datetime) -> dt.datetime:
    offset = value.utcoffset()
    if offset is not None and abs(offset) > LARGEST_OFFSET:
        raise ValueError(OFFSET_TOO_LARGE)
    return value


def _in_plain_digits(value: Any) -> Any:
    """Refuse a code like 1e22: one database returns it as digits, another as it was."""
    if isinstance(value, float) and not repr(value).replace(".", "").lstrip("-").isdigit():
        raise ValueError("must be text, or a number in plain digits")
    return value


def _is_a_currency(value: str) -> str:
    if not CURRENCY.fullmatch(value):
        raise ValueError("must be three capitals of ISO 4217, like CNY")
    if value == "RMB":
        raise ValueError("must be CNY: ISO 4217 has no RMB")
    return value


def text(most: int, *, least: int = 0) -> Any:
    return StringConstraints(strip_whitespace=True, min_length=least, max_length=most)


Number = Annotated[
    Decimal,
    Field(max_digits=AMOUNT_DIGITS, decimal_places=DECIMAL_PLACES, allow_inf_nan=False),
    BeforeValidator(_without_float_noise),
    BeforeValidator(_not_a_flag),
]
SixPlaces = Annotated[
    Decimal,
    Field(max_digits=QUANTITY_DIGITS, decimal_places=QUANTITY_PLACES, allow_inf_nan=False),
    BeforeValidator(_without_float_noise),
    BeforeValidator(_not_a_flag),
]
Level = SixPlaces
"""A stock level. It may be negative: more was used than was booked in."""
Threshold = Annotated[SixPlaces, Field(ge=0)]
Quantity = Annotated[SixPlaces, Field(ge=0, lt=LARGEST_QUANTITY)]
Rate = Annotated[SixPlaces, Field(ge=0, lt=1_000_000)]
"""Per cent: 6 is 6 %. It is for people to read and is never calculated with."""
Price = Annotated[SixPlaces, Field(ge=0, lt=LARGEST_TOTAL)]
"""Of one unit, which may have more places than money: 0.0385 for a gram. The amount of a line is
calculated with all of them, its column keeps three."""
StatedTax = Annotated[Price, AfterValidator(rounded)]
"""A line's share of the tax, which some tills state to more places than money has."""
Money = Annotated[Number, Field(ge=0)]
Total = Annotated[
    Decimal,
    Field(max_digits=TOTAL_DIGITS, decimal_places=DECIMAL_PLACES, allow_inf_nan=False),
    BeforeValidator(_without_float_noise),
    BeforeValidator(_not_a_flag),
]
"""A sum of a whole day, which is large in some currencies."""

Coerced = Annotated[str, Field(coerce_numbers_to_str=True)]
PLAIN = BeforeValidator(_in_plain_digits)
Key = Annotated[Coerced, text(100, least=1), PLAIN]
Code = Annotated[Coerced, text(200, least=1), PLAIN]
"""The id of a dish or an item, which is often its name."""
OptionalCode = Annotated[Coerced, text(200), PLAIN]
Till = Annotated[Coerced, text(60), PLAIN]
Name = Annotated[str, text(200)]
Label = Annotated[str, text(100)]
Unit = Annotated[str, text(30)]
Reason = Annotated[str, text(500)]
Currency = Annotated[
    str,
    AfterValidator(_is_a_currency),
    WithJsonSchema({"type": "string", "pattern": CURRENCY.pattern}),
]
"""ISO 4217. Empty: the store's currency, or for a payment the order's."""
Moment = Annotated[
    dt.datetime,
    AfterValidator(_in_our_time),
    AfterValidator(_at_a_place_on_earth),
    # Not the format date-time, which demands a zone.
    WithJsonSchema(
        {"type": "string", "description": "ISO 8601; without a zone, the store's own time."}
    ),
]
Day = Annotated[dt.date, AfterValidator(_in_our_time)]


class OfDish(Payload):
    """Names a dish. A dish without a code is identified by its name."""

    dish: OptionalCode = ""
    name: Name = ""

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if not (self.dish or self.name):
            raise ValueError("names no dish: give 'dish' or 'name'")
        return self

    @property
    def dish_code(self) -> str:
        return self.dish or self.name


class Line(OfDish):
    """One dish of an order or of a day."""

    quantity: Quantity
