"""Handlers of orders and of their statuses.

A statement of an order is whole, and the newest event decides each aspect. Several events of one
order may be in one batch.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from neural.events.changes import reindex
from neural.events.registry import Received, handles
from neural.models import NeuralEvent
from neural.restaurant.bill import add_up, amount_of
from neural.restaurant.identity import key_of
from neural.restaurant.models import Order, OrderLine, OrderStatus
from neural.restaurant.models.amounts import digits_of, rounded
from neural.restaurant.models.newest import newer_known, version_of
from neural.restaurant.models.order_status import step
from neural.restaurant.schemas import (
    DeliveryUpdated,
    OrdersMerged,
    OrderStated,
    OrderStatusChanged,
    SettlementStated,
)
from neural.restaurant.schemas.tills import StatedLine
from neural.restaurant.totals import DEMAND, MONEY

Keyed = tuple[str, NeuralEvent, Any]
"""An order's key, an event about it, and what the event states."""


class LockedOrders(dict[tuple[str, str], Order]):
    """Orders by store and key, and those of them that have changed, by primary key."""

    def __init__(self, orders: Iterable[Order]) -> None:
        super().__init__(((order.store_id, order.key), order) for order in orders)
        self.changed: dict[int, Order] = {}

    def note(self, order: Order, changed: bool) -> None:
        if changed:
            self.changed[order.pk] = order


class Before(NamedTuple):
    """The values of an order from which other rows were computed."""

    day: dt.date | None
    currency: str
    survivor: str
    is_new: bool


@contextmanager
def locked_orders(keyed: Sequence[Keyed]) -> Iterator[LockedOrders]:
    """The orders of these keys, locked; when the block ends, those that it noted as changed are
    saved, and what follows from them is asked for."""
    stores = {event.store_id: event.store for _, event, _ in keyed}
    keys = {(key, event.store_id) for key, event, _ in keyed}
    orders = LockedOrders(Order.objects.lock(keys))
    before: dict[int, Before] = {}
    for order in orders.values():
        order.store = stores[order.store_id]
        before[order.pk] = Before(
            order.counted_day, order.currency, order.survivor, is_new=order.read_key()
        )
    yield orders
    _keep([*orders.changed.values()], before)


def _keep(changed: Sequence[Order], before: dict[int, Before]) -> None:
    if not changed:
        return
    Order.objects.keep(changed)
    OrderLine.objects.replace(changed)
    for order in changed:
        reindex(collection="orders", store=order.store_id, ids=[order.key])
    DEMAND.ask(set(_days(changed, before)))
    MONEY.ask({order.pk for order in changed if _other_money(order, before[order.pk])})


def _days(orders: Iterable[Order], before: dict[int, Before]) -> Iterable[tuple[str, dt.date]]:
    """The days whose demand changes: those in which these orders counted before, and those in which
    they count now."""
    for order in orders:
        was, now = before[order.pk].day, order.counted_day
        if was == now and order.new_lines is None:
            continue
        for day in {was, now} - {None}:
            assert day
            yield (order.store_id, day)


def _other_money(order: Order, before: Before) -> bool:
    """Whether the sums of payments must be computed anew: the order is a daily ticket of no till,
    to which payments without a time may belong; the currency or the order into which this
    one was merged has changed, or whether the order counts, in which case a return is a
    reversal."""
    if order.survivor != before.survivor or order.key.startswith("//"):
        return True
    if order.currency != before.currency:
        return not before.is_new
    return bool(order.refunded) and (order.counted_day is None) != (before.day is None)


@handles(
    "order.created",
    "order.updated",
    "order.stated",
    name="neural.record_order",
    batch=True,
    superseded=newer_known(Order, "content_version", key=key_of),
    title=_("Record orders"),
)
def record_orders(received: Sequence[Received[OrderStated]]) -> None:
    """Save the stated orders, unless a newer statement of an order is known."""
    keyed = [(key_of(event, stated), event, stated) for event, stated in received]
    with locked_orders(keyed) as orders:
        for key, event, stated in keyed:
            order = orders[event.store_id, key]
            orders.note(order, _restate(order, event, stated))
            if stated.status:
                orders.note(order, _take_status(order, event, stated))


@handles(
    "order.cancelled",
    "order.status_changed",
    name="neural.cancel_order",
    batch=True,
    superseded=newer_known(Order, "status_version", key=key_of),
    title=_("Change the status of orders"),
)
def change_statuses(received: Sequence[Received[OrderStatusChanged]]) -> None:
    """Change the statuses of orders, unless a newer status is known. The lines are kept."""
    keyed = [(key_of(event, stated), event, stated) for event, stated in received]
    with locked_orders(keyed) as orders:
        for key, event, stated in keyed:
            order = orders[event.store_id, key]
            orders.note(order, _take_status(order, event, stated))


def _merged_keys(event: NeuralEvent, merged: OrdersMerged) -> list[str]:
    sources = dict.fromkeys(each for each in merged.orders if each != merged.into)
    return [key_of(event, merged, order_id=source) for source in sources]


@handles(
    "order.merged",
    batch=True,
    superseded=newer_known(Order, "status_version", key__in=_merged_keys),
    title=_("Merge orders"),
)
def merge_orders(received: Sequence[Received[OrdersMerged]]) -> None:
    """Mark orders as merged into another one. They count nowhere; their till states that one, and
    its payments, anew."""
    keyed = [
        (key, event, merged) for event, merged in received for key in _merged_keys(event, merged)
    ]
    with locked_orders(keyed) as orders:
        for key, event, merged in keyed:
            order = orders[event.store_id, key]
            is_news = order.take_status(
                version=version_of(event),
                step=step(at=event.occurred_at, status=OrderStatus.MERGED),
                into=key_of(event, merged, order_id=merged.into),
            )
            orders.note(order, is_news)


@handles(
    "settlement.stated",
    batch=True,
    superseded=newer_known(Order, "settlement_version", key=key_of),
    title=_("Record settlements"),
)
def settle_orders(received: Sequence[Received[SettlementStated]]) -> None:
    """Save what platforms pay out for orders, unless a newer settlement is known."""
    keyed = [(key_of(event, stated), event, stated) for event, stated in received]
    with locked_orders(keyed) as orders:
        for key, event, stated in keyed:
            order = orders[event.store_id, key]
            is_news = order.settle(
                version=version_of(event),
                payout=stated.payout,
                commission=stated.commission,
                fees=stated.fees,
                payout_is_final=stated.final,
            )
            orders.note(order, is_news)


@handles(
    "delivery.updated",
    batch=True,
    superseded=newer_known(Order, "delivery_version", key=key_of),
    title=_("Record deliveries"),
)
def update_deliveries(received: Sequence[Received[DeliveryUpdated]]) -> None:
    """Save how far orders are on their way, unless a newer statement is known."""
    keyed = [(key_of(event, stated), event, stated) for event, stated in received]
    with locked_orders(keyed) as orders:
        for key, event, stated in keyed:
            order = orders[event.store_id, key]
            is_news = order.take_delivery(
                version=version_of(event),
                status=stated.status,
                courier=stated.courier,
                at=event.store.localize(stated.at or event.occurred_at),
                eta=event.store.localize(stated.eta) if stated.eta else None,
            )
            orders.note(order, is_news)


def _restate(order: Order, event: NeuralEvent, stated: OrderStated) -> bool:
    localized, digits = _localizer(event), digits_of(stated.currency)
    lines = [(line, amount_of(line, digits=digits)) for line in stated.lines]
    promised_at = localized(stated.promised_at)
    day = stated.business_day or (promised_at and event.store.business_day(promised_at))
    content = {
        "number": stated.ticket or stated.order_id,
        "promised_at": promised_at,
        "closed_at": localized(stated.closed_at),
        "bill": [entry.to_keep() for entry in stated.bill],
        "split_from": _other(event, stated, stated.split_from),
        "replaces": _other(event, stated, stated.replaces),
        **{name: getattr(stated, name) for name in _AS_STATED},
    }
    return order.restate(
        version=version_of(event),
        placed_at=localized(stated.placed_at),
        stated_day=day,
        sums=add_up(lines, stated.bill, stated=stated.total),
        lines=line_rows(order, lines),
        content=content,
    )


_AS_STATED = (
    "channel",
    "platform",
    "platform_number",
    "table",
    "guests",
    "member",
    "staff",
    "invoice",
    "note",
    "phone_last4",
    "currency",
)


def _other(event: NeuralEvent, stated: OrderStated, order_id: str) -> str:
    """The key of another order of the same till and day."""
    return key_of(event, stated, order_id=order_id) if order_id else ""


def _localizer(event: NeuralEvent) -> Any:
    """A function that gives a time without zone the store's own."""
    return lambda moment: event.store.localize(moment) if moment else None


def _take_status(
    order: Order, event: NeuralEvent, stated: OrderStated | OrderStatusChanged
) -> bool:
    closed_at, by, reason = None, "", ""
    if isinstance(stated, OrderStatusChanged):
        by, reason = stated.by, stated.reason
    if stated.status == OrderStatus.CLOSED.value:
        closed = stated.closed_at if isinstance(stated, OrderStated) else None
        closed_at = event.store.localize(closed) if closed else event.occurred_at
    return order.take_status(
        version=version_of(event),
        step=step(at=closed_at or event.occurred_at, status=stated.status, by=by, reason=reason),
        closed_at=closed_at,
    )


def line_rows(order: Order, lines: Sequence[tuple[StatedLine, Decimal]]) -> list[dict[str, Any]]:
    """The rows of an order's lines with their amounts. A modifier knows the dish that it changes.
    An object of the model for each would take longer than to write them."""
    parents = _parents(lines)
    return [
        {
            "order_id": order.pk,
            "position": position,
            "line_id": line.line_id,
            "parent": parent,
            "demand_dish": _changed_dish(lines, parents, position),
            "role": line.role,
            "state": line.state,
            "dish": line.dish_code,
            "name": line.name,
            "quantity": line.quantity,
            "price": rounded(line.price),
            "discount": line.discount,
            "amount": amount,
            "tax": line.tax,
            "options": line.options or None,
            "note": line.note,
        }
        for position, ((line, amount), parent) in enumerate(
            zip(lines, parents, strict=True), start=1
        )
    ]


def _changed_dish(
    lines: Sequence[tuple[StatedLine, Decimal]], parents: Sequence[int | None], position: int
) -> str:
    """The dish that a modifier changes, also where it changes another modifier; empty if it is
    none, or belongs to no line."""
    changed = ""
    while lines[position - 1][0].role == "modifier" and (above := parents[position - 1]):
        changed, position = lines[above - 1][0].dish_code, above
    return changed


def _parents(lines: Sequence[tuple[StatedLine, Decimal]]) -> list[int | None]:
    """The position of the line that each belongs to, by that one's own id. Lines that belong to one
    another in a circle belong to none."""
    positions = {
        line.line_id: position for position, (line, _) in enumerate(lines, start=1) if line.line_id
    }
    parents = [positions.get(line.parent) for line, _ in lines]
    if not positions:
        return parents
    return [
        None if _leads_back(position, parents) else parent
        for position, parent in enumerate(parents, start=1)
    ]


def _leads_back(position: int, parents: Sequence[int | None]) -> bool:
    """Whether the parents of a line lead back to it."""
    seen: set[int] = set()
    above = parents[position - 1]
    while above is not None and above not in seen:
        if above == position:
            return True
        seen.add(above)
        above = parents[above - 1]
    return False
