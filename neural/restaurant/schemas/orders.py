"""The order and payment types of the first version. They say less than those of ``tills``, and get
no more fields: unknown ones are kept with their events, so a field that is added later would be
checked in events that were accepted without it."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from neural.events.schema import Payload
from neural.restaurant.models.amounts import rounded
from neural.restaurant.schemas.fields import (
    LARGEST_TOTAL,
    MOST_LINES,
    Currency,
    Key,
    Moment,
    Money,
    Reason,
    text,
)
from neural.restaurant.schemas.lines import Line


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
    method: Annotated[str, text(50)] = ""
    currency: Currency = ""


class RefundPayload(Payload):
    refund_id: Key
    payment_id: Key
    order_id: Key
    amount: Money
    currency: Currency = ""
