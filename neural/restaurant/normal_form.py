"""The normal form of events about orders: those of the first version as the ones of today."""

from functools import singledispatch
from typing import Any

from neural.restaurant.schemas import (
    CancellationPayload,
    OrderLinePayload,
    OrderPayload,
    OrderStated,
    OrderStatusChanged,
    PaymentPayload,
    PaymentStated,
    RefundPayload,
    RefundStated,
)
from neural.restaurant.schemas.tills import StatedLine

# The payloads were checked by the schemas of their own types, so they are not checked again.


@singledispatch
def normal_form(data: Any) -> Any:
    """What an event states, as a payload of ``schemas.tills``. A line of an old order is sold, an
    old refund undoes its payment, and an old cancellation is a status."""
    return data


@normal_form.register
def _order(data: OrderPayload) -> OrderStated:
    return OrderStated.model_construct(
        order_id=data.order_id,
        lines=[_line(line) for line in data.lines],
        currency=data.currency,
        placed_at=data.placed_at,
    )


def _line(line: OrderLinePayload) -> StatedLine:
    return StatedLine.model_construct(
        dish=line.dish, name=line.name, quantity=line.quantity, price=line.price
    )


@normal_form.register
def _cancellation(data: CancellationPayload) -> OrderStatusChanged:
    return OrderStatusChanged.model_construct(
        order_id=data.order_id, status="cancelled", reason=data.reason
    )


@normal_form.register
def _payment(data: PaymentPayload) -> PaymentStated:
    return PaymentStated.model_construct(
        payment_id=data.payment_id,
        order_id=data.order_id,
        amount=data.amount,
        currency=data.currency,
        tender=data.method,
    )


@normal_form.register
def _refund(data: RefundPayload) -> RefundStated:
    return RefundStated.model_construct(
        refund_id=data.refund_id,
        payment_id=data.payment_id,
        order_id=data.order_id,
        amount=data.amount,
        currency=data.currency,
        kind="reversal",
    )
