"""What a store reports about itself: stock, dishes, shifts, feedback and a day's sales."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from neural.events.schema import Payload
from neural.restaurant.schemas.fields import (
    MOST_LINES,
    PLAIN,
    Code,
    Coerced,
    Currency,
    Day,
    Key,
    Label,
    Level,
    Moment,
    Money,
    Name,
    Reason,
    Till,
    Unit,
    text,
)
from neural.restaurant.schemas.lines import Line, OfDish


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
    name: Annotated[Name, text(200, least=1)]
    price: Money | None = None
    currency: Currency = ""
    category: Label = ""
    available: bool = True


class ItemAvailable(OfDish):
    """A dish can be ordered again: item.available."""

    reason: Reason = ""
    till: Till = ""


class ItemSoldOut(ItemAvailable):
    """A dish cannot be ordered until it is reported as available, or until a stated time:
    item.sold_out."""

    until: Moment | None = None


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
    text: Annotated[str, text(5000, least=1)]
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    order_id: Annotated[Coerced, text(100), PLAIN] = ""


class ReportedLine(Line):
    revenue: Money | None = None


class SalesReportPayload(Payload):
    """All that a store sold on one business day. Other fields (a promotion, the weather, a holiday)
    are kept as the day's context."""

    day: Day
    lines: list[ReportedLine] = Field(max_length=MOST_LINES)
