"""The payload schemas of the built-in event types.

Lengths and digits are those of the columns, so that every accepted payload can be stored. Fields
that a schema does not know are kept with the event. A time without a zone is in the store's own
time.
"""

import datetime as dt
import math
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from neural.events.schema import Payload
from neural.events.types import LARGEST_OFFSET, OFFSET_TOO_LARGE
from neural.restaurant.models.amounts import AMOUNT_DIGITS, DECIMAL_PLACES, rounded

EARLIEST_YEAR, LATEST_YEAR = 1970, 2200
LARGEST_QUANTITY = 1_000_000
LARGEST_TOTAL = Decimal(10) ** (AMOUNT_DIGITS - DECIMAL_PLACES)
MOST_LINES = 1000


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


def _text(most: int, *, least: int = 0) -> Any:
    return StringConstraints(strip_whitespace=True, min_length=least, max_length=most)


_Number = Annotated[
    Decimal,
    Field(max_digits=AMOUNT_DIGITS, decimal_places=DECIMAL_PLACES, allow_inf_nan=False),
    BeforeValidator(_without_float_noise),
    BeforeValidator(_not_a_flag),
]
Money = Annotated[_Number, Field(ge=0)]
Quantity = Annotated[_Number, Field(ge=0, lt=LARGEST_QUANTITY)]
Level = _Number
"""A stock level. It may be negative: more was used than was booked in."""

_Coerced = Annotated[str, Field(coerce_numbers_to_str=True)]
_PLAIN = BeforeValidator(_in_plain_digits)
Key = Annotated[_Coerced, _text(100, least=1), _PLAIN]
Code = Annotated[_Coerced, _text(200, least=1), _PLAIN]
"""The id of a dish or an item, which is often its name."""
OptionalCode = Annotated[_Coerced, _text(200), _PLAIN]
Name = Annotated[str, _text(200)]
Label = Annotated[str, _text(100)]
Unit = Annotated[str, _text(30)]
Reason = Annotated[str, _text(500)]
Currency = Annotated[str, StringConstraints(pattern=r"^([A-Z]{3})?$")]
"""ISO 4217. Empty: the store's currency, or for a payment the order's."""
Moment = Annotated[dt.datetime, AfterValidator(_in_our_time), AfterValidator(_at_a_place_on_earth)]
Day = Annotated[dt.date, AfterValidator(_in_our_time)]


class Line(Payload):
    """One dish of an order or of a day. A dish without a code is identified by its name."""

    dish: OptionalCode = ""
    name: Name = ""
    quantity: Quantity

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if not (self.dish or self.name):
            raise ValueError("names no dish: give 'dish' or 'name'")
        return self

    @property
    def dish_code(self) -> str:
        return self.dish or self.name


class OrderLinePayload(Line):
    price: Money

    @property
    def amount(self) -> Decimal:
        return rounded(self.quantity * self.price)


class OrderPayload(Payload):
    """The complete order: order.created, order.updated."""

    order_id: Key
    lines: list[OrderLinePayload] = Field(max_length=MOST_LINES)
    currency: Currency = ""
    placed_at: Moment | None = None

    @model_validator(mode="after")
    def _total_can_be_kept(self) -> Self:
        if sum(line.amount for line in self.lines) >= LARGEST_TOTAL:
            raise ValueError(f"the lines add up to {LARGEST_TOTAL:,} or more")
        return self


class CancellationPayload(Payload):
    order_id: Key
    reason: Reason = ""


class PaymentPayload(Payload):
    payment_id: Key
    order_id: Key
    amount: Money
    method: Annotated[str, _text(50)] = ""
    currency: Currency = ""


class RefundPayload(Payload):
    refund_id: Key
    payment_id: Key
    order_id: Key
    amount: Money
    currency: Currency = ""


class StockPayload(Payload):
    """The level of an item as counted: inventory.updated."""

    item: Code
    level: Level
    threshold: Money | None = None
    unit: Unit = ""


class LowStockPayload(StockPayload):
    """The store itself reports that an item is low: inventory.low."""


class DishPayload(Payload):
    """The complete dish."""

    dish: Code
    name: Annotated[Name, _text(200, least=1)]
    price: Money | None = None
    currency: Currency = ""
    category: Label = ""
    available: bool = True


class ShiftPayload(Payload):
    shift_id: Key
    staff_id: Key
    name: Name = ""
    role: Label = ""
    starts_at: Moment
    ends_at: Moment

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        comparable = bool(self.starts_at.tzinfo) == bool(self.ends_at.tzinfo)
        if comparable and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must be after starts_at")
        return self


class FeedbackPayload(Payload):
    text: Annotated[str, _text(5000, least=1)]
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    order_id: Annotated[_Coerced, _text(100), _PLAIN] = ""


class ReportedLine(Line):
    revenue: Money | None = None


class SalesReportPayload(Payload):
    """All that a store sold on one business day. Other fields (a promotion, the weather, a holiday)
    are kept as the day's context."""

    day: Day
    lines: list[ReportedLine] = Field(max_length=MOST_LINES)
