"""The normal form of events about orders (those of the first version as the ones of today), and
which order an event is about."""

import datetime as dt
from functools import singledispatch
from typing import Any

from neural.models import NeuralEvent
from neural.restaurant.keys import order_key
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
from neural.restaurant.schemas.tills import OfTill, StatedLine

# The payloads were checked by the schemas of their own types, so they are not checked again. A copy
# with other values takes half the time of a construction, which goes through all fields.

_LINE = StatedLine.model_construct()
_ORDER = OrderStated.model_construct()
_CANCELLED = OrderStatusChanged.model_construct(status="cancelled")
_PAYMENT = PaymentStated.model_construct()
_REVERSAL = RefundStated.model_construct(kind="reversal")


@singledispatch
def normal_form(data: Any) -> Any:
    """What an event states, as a payload of ``schemas.tills``. A line of an old order is sold, an
    old refund undoes its payment, and an old cancellation is a status."""
    return data


@normal_form.register
def _order(data: OrderPayload) -> OrderStated:
    return _ORDER.model_copy(
        update={
            "order_id": data.order_id,
            "lines": [_line(line) for line in data.lines],
            "currency": data.currency,
            "placed_at": data.placed_at,
        }
    )


def _line(line: OrderLinePayload) -> StatedLine:
    return _LINE.model_copy(
        update={
            "dish": line.dish,
            "name": line.name,
            "quantity": line.quantity,
            "price": line.price,
        }
    )


@normal_form.register
def _cancellation(data: CancellationPayload) -> OrderStatusChanged:
    return _CANCELLED.model_copy(update={"order_id": data.order_id, "reason": data.reason})


@normal_form.register
def _payment(data: PaymentPayload) -> PaymentStated:
    return _PAYMENT.model_copy(
        update={
            "payment_id": data.payment_id,
            "order_id": data.order_id,
            "amount": data.amount,
            "currency": data.currency,
            "tender": data.method,
        }
    )


@normal_form.register
def _refund(data: RefundPayload) -> RefundStated:
    return _REVERSAL.model_copy(
        update={
            "refund_id": data.refund_id,
            "payment_id": data.payment_id,
            "order_id": data.order_id,
            "amount": data.amount,
            "currency": data.currency,
        }
    )


def key_of(event: NeuralEvent, data: OfTill, *, order_id: str = "") -> str:
    """The key of the order that an event is about, or of another one (``order_id``) of the same
    till and day."""
    return order_key(
        order_id=order_id or data.order_id,  # type: ignore[attr-defined]
        till=data.till,
        day=ticket_day(event, data),
    )


def stated_key(event: NeuralEvent, data: Any) -> str:
    """The key of the order that an event of any version is about."""
    return key_of(event, normal_form(data))


NOW = dt.timedelta(seconds=5)


def states_no_time(event: NeuralEvent) -> bool:
    """Whether an event occurred when it was recorded: a till that states no time says no more."""
    return abs(event.recorded_at - event.occurred_at) <= NOW


def ticket_day(event: NeuralEvent, data: OfTill) -> dt.date | None:
    """The business day in the keys of an event's order and payment; None if they have none.

    An event that names neither till nor day belongs, in a store whose tickets begin again daily, to
    the ``business_day`` that an order states, else to that of its ``placed_at``, else of the
    event's own time.
    """
    since = event.store.daily_tickets_since
    if data.day or data.till or since is None:
        return data.day
    day, placed_at = None, None
    if isinstance(data, OrderStated):
        day, placed_at = data.business_day, data.placed_at
    day = day or event.store.business_day(placed_at or event.occurred_at)
    return day if day >= since else None
