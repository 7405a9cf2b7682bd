"""What a store reports around its orders: stock, dishes, shifts, feedback, a day's sales,
deliveries, menus, when it takes orders, and when people work."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from neural.events.schema import Payload
from neural.restaurant.codes import DeliveryStatus
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
    Line,
    Moment,
    Money,
    Name,
    OfDish,
    Reason,
    Threshold,
    Till,
    Unit,
    text,
)
from neural.restaurant.schemas.tills import OfOrder


class StockPayload(Payload):
    """The level of an item as counted: inventory.updated."""

    item: Code
    level: Level
    threshold: Threshold | None = None
    unit: Unit = ""


class LowStockPayload(StockPayload):
    """The store itself reports that an item is low: inventory.low."""


class DishPayload(Payload):
    """The complete dish. Other fields (allergens, how hot it is) are kept as its details."""

    other_fields_have_a_meaning = True

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

    other_fields_have_a_meaning = True

    day: Day
    lines: list[ReportedLine] = Field(max_length=MOST_LINES)


MOST_DISHES = 5000
MOST_BREAKS = 50


class DeliveryUpdated(OfOrder):
    """How far an order is on its way to the guest: delivery.updated. ``courier`` is a name or the
    name of a company; a phone number or an address does not belong here."""

    status: DeliveryStatus
    courier: Label = ""
    eta: Moment | None = None
    at: Moment | None = None


class MenuUpdated(Payload):
    """A store's menu or a part of it: menu.updated. If it is complete, dishes that it does not name
    are not available any more. Of a dish that is named twice, the first statement counts."""

    items: list[DishPayload] = Field(max_length=MOST_DISHES)
    complete: bool = False


class OpeningReported(Payload):
    """A store opened, closed or is too busy for more orders: store.opened, store.closed,
    store.busy. With a ``platform``, this is about the orders from there alone."""

    reason: Reason = ""
    until: Moment | None = None
    platform: Label = ""
    at: Moment | None = None


class ClockedIn(Payload):
    """A person began to work: staff.clocked_in. A correction has the same ``timecard_id``."""

    timecard_id: Key
    staff_id: Key
    name: Name = ""
    role: Label = ""
    at: Moment | None = None


class Break(Payload):
    starts_at: Moment
    ends_at: Moment
    paid: bool = False

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        comparable = bool(self.starts_at.tzinfo) == bool(self.ends_at.tzinfo)
        if comparable and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must be after starts_at")
        return self


class ClockedOut(ClockedIn):
    """A person stopped working: staff.clocked_out, with all breaks since the beginning."""

    breaks: list[Break] = Field(default=[], max_length=MOST_BREAKS)
