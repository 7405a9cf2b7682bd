"""The event types of the first version, and the statements that they are translated to.

They say less than statements, and get no more fields: unknown ones are kept with their events, so a
field that is added later would be checked in events that were accepted without it. A line of such
an order is sold, a refund undoes its payment, and a cancellation is a status.
"""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from neural.events.schema import Payload
from neural.restaurant.models.amounts import rounded
from neural.restaurant.schemas.fields import (
    LARGEST_TOTAL,
    MOST_LINES,
    Currency,
    Key,
    Line,
    Moment,
    Money,
    Reason,
    text,
)
from neural.restaurant.schemas.tills import (
    InCurrency,
    OrderStated,
    OrderStatusChanged,
    PaymentStated,
    RefundStated,
    StatedLine,
)


class FirstVersion(Payload):
    """A payload that is read as a statement."""

    statement: ClassVar[Payload]
    """The statement without what the payload says."""

    def translated(self) -> Payload:
        return self._stated()

    def _stated(self, **otherwise: Any) -> Payload:
        """The statement with the payload's own fields, and with those that no schema knows. They
        were checked by its own schema, so they are not checked again; a copy takes half the time of
        a construction."""
        own, known = type(self).model_fields, type(self.statement).model_fields
        fields = {name: value for name, value in self if name in own or name not in known}
        return self.statement.model_copy(update=fields | otherwise)


class OrderLinePayload(FirstVersion, Line):
    statement = StatedLine.model_construct()

    price: Money

    @property
    def amount(self) -> Decimal:
        """As the first version rounds it, whatever the currency."""
        return rounded(self.quantity * self.price)

    def translated(self) -> Payload:
        return self._stated(amount=self.amount)


class OrderPayload(FirstVersion):
    """The complete order: order.created, order.updated."""

    statement = OrderStated.model_construct()

    order_id: Key
    lines: list[OrderLinePayload] = Field(max_length=MOST_LINES)
    currency: Currency = ""
    placed_at: Moment | None = None

    @model_validator(mode="after")
    def _total_fits_its_column(self) -> "OrderPayload":
        if sum(line.amount for line in self.lines) >= LARGEST_TOTAL:
            raise ValueError(f"the lines add up to {LARGEST_TOTAL:,} or more")
        return self

    def translated(self) -> Payload:
        return self._stated(lines=[line.translated() for line in self.lines])


class CancellationPayload(FirstVersion):
    """order.cancelled."""

    statement = OrderStatusChanged.model_construct(status="cancelled")

    order_id: Key
    reason: Reason = ""


class PaymentPayload(FirstVersion, InCurrency):
    """payment.completed. Its method is whatever its till calls a tender."""

    statement = PaymentStated.model_construct()

    payment_id: Key
    order_id: Key
    amount: Money
    method: Annotated[str, text(50)] = ""
    currency: Currency = ""

    def translated(self) -> Payload:
        return self._stated(tender=self.method)


class RefundPayload(FirstVersion, InCurrency):
    """payment.refunded."""

    statement = RefundStated.model_construct(kind="reversal")

    refund_id: Key
    payment_id: Key
    order_id: Key
    amount: Money
    currency: Currency = ""
