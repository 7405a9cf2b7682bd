"""Handlers of orders, payments and refunds.

An order event states the whole order, and the newest event decides each aspect. Each payment or
refund is a row with its own id; an order's sums are computed from these rows.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from neural.events.changes import reindex
from neural.events.registry import Received, handles
from neural.models import NeuralEvent
from neural.restaurant.models import Order, OrderLine, Payment, PaymentKind
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import (
    CancellationPayload,
    OrderLinePayload,
    OrderPayload,
    PaymentPayload,
    RefundPayload,
)
from neural.restaurant.totals import DEMAND, MONEY

Orders = dict[tuple[str, str], Order]
"""Orders by store and number."""


@handles("order.created", "order.updated", name="neural.record_order", batch=True)
def record_orders(received: Sequence[Received[OrderPayload]]) -> None:
    """Save the stated orders, unless a newer statement of an order is known."""
    orders = _lock_orders(received)
    before = _counted(orders)
    changed: dict[int, Order] = {}
    for event, data in received:
        order = orders[event.store_id, data.order_id]
        if order.restate(
            version=version_of(event),
            placed_at=event.store.localize(data.placed_at) if data.placed_at else None,
            currency=data.currency,
            lines=[_line(each) for each in data.lines],
        ):
            changed[order.pk] = order
    _keep(changed.values(), before)


@handles("order.cancelled", name="neural.cancel_order", batch=True)
def cancel_orders(received: Sequence[Received[CancellationPayload]]) -> None:
    """Cancel orders, unless a newer statement says that the order stands. The lines are kept."""
    orders = _lock_orders(received)
    before = _counted(orders)
    changed: dict[int, Order] = {}
    for event, data in received:
        order = orders[event.store_id, data.order_id]
        if order.cancel(version=version_of(event), reason=data.reason):
            changed[order.pk] = order
    _keep(changed.values(), before)


def _lock_orders(
    received: Sequence[Received[OrderPayload] | Received[CancellationPayload]],
) -> Orders:
    stores = {event.store_id: event.store for event, _ in received}
    keys = {(data.order_id, event.store_id) for event, data in received}
    orders = Order.objects.lock_or_create_many(keys, key=("number", "store"))
    for order in orders:
        order.store = stores[order.store_id]
    return {(order.store_id, order.number): order for order in orders}


class Counted(NamedTuple):
    """The values of an order from which other rows were computed."""

    day: dt.date | None
    currency: str


def _counted(orders: Orders) -> dict[int, Counted]:
    return {order.pk: Counted(order.counted_day, order.currency) for order in orders.values()}


def _keep(changed: Collection[Order], before: dict[int, Counted]) -> None:
    Order.objects.keep(changed)
    OrderLine.objects.replace(changed)
    for order in changed:
        reindex(collection="orders", store=order.store_id, ids=[order.number])
    DEMAND.ask(set(_days(changed, before)))
    MONEY.ask({order.pk for order in changed if _other_money(order, before[order.pk].currency)})


def _days(orders: Iterable[Order], before: dict[int, Counted]) -> Iterable[tuple[str, dt.date]]:
    """The days in which these orders counted before, and those in which they count now."""
    for order in orders:
        for day in {before[order.pk].day, order.counted_day} - {None}:
            assert day
            yield (order.store_id, day)


def _other_money(order: Order, currency: str) -> bool:
    """Whether the currency has changed, so that the sums of payments must be recomputed."""
    return order.currency != currency and bool(currency or order.paid or order.refunded)


def _line(stated: OrderLinePayload) -> OrderLine:
    return OrderLine(
        dish=stated.dish_code,
        name=stated.name,
        quantity=stated.quantity,
        price=stated.price,
        amount=stated.amount,
    )


@handles("payment.completed")
def record_payment(event: NeuralEvent, data: PaymentPayload) -> None:
    """Save a payment. If its order is not known yet, an expected order is created."""
    _record(event, PaymentKind.PAYMENT, data.payment_id, data, method=data.method)


@handles("payment.refunded")
def record_refund(event: NeuralEvent, data: RefundPayload) -> None:
    """Save a refund. Neither its payment nor its order need be known yet."""
    _record(event, PaymentKind.REFUND, data.refund_id, data, refund_of=data.payment_id)


def _record(
    event: NeuralEvent,
    kind: PaymentKind,
    reference: str,
    data: PaymentPayload | RefundPayload,
    **particulars: str,
) -> None:
    payment = Payment(
        store=event.store,
        kind=kind,
        reference=reference,
        order_id=Order.objects.known(store=event.store, number=data.order_id),
        amount=data.amount,
        currency=data.currency,
        occurred_at=event.occurred_at,
        version=version_of(event),
        **particulars,
    )
    MONEY.ask(Payment.objects.take(payment))
