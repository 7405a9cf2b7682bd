"""Orders: stated whole, each aspect by its newest event."""

import datetime as dt

from neural.events.demand import DEMAND
from neural.events.money import MONEY
from neural.events.registry import handles
from neural.events.schemas import CancellationPayload, OrderLinePayload, OrderPayload
from neural.models import NeuralEvent, Order, OrderLine
from neural.models.newest import version_of


@handles("order.created", "order.updated")
def record_order(event: NeuralEvent, data: OrderPayload) -> None:
    """Take an order as it stands, unless a newer statement of it is known."""
    order = _locked(event, data.order_id)
    day, currency = order.counted_day, order.currency
    changed = order.restate(
        version=version_of(event),
        placed_at=event.store.localize(data.placed_at) if data.placed_at else None,
        currency=data.currency,
        lines=[_line(each) for each in data.lines],
    )
    if changed:
        _recount(order, day)
    if order.currency != currency and (currency or order.paid or order.refunded):
        MONEY.ask({order.pk})


@handles("order.cancelled")
def cancel_order(event: NeuralEvent, data: CancellationPayload) -> None:
    """Cancel an order, unless a newer statement says that it stands. Its lines stay."""
    order = _locked(event, data.order_id)
    day = order.counted_day
    if order.cancel(version=version_of(event), reason=data.reason):
        _recount(order, day)


def _locked(event: NeuralEvent, number: str) -> Order:
    order = Order.objects.locked(store=event.store, number=number)
    order.store = event.store
    return order


def _recount(order: Order, day_before: dt.date | None) -> None:
    """The day in which the order counted and the one in which it counts now."""
    days = {day_before, order.counted_day}
    DEMAND.ask({(order.store_id, day) for day in days if day})


def _line(stated: OrderLinePayload) -> OrderLine:
    return OrderLine(
        dish=stated.dish_code,
        name=stated.name,
        quantity=stated.quantity,
        price=stated.price,
        amount=stated.amount,
    )
