"""Orders that a handler changes: locked, saved together, and what follows from them."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from neural.events.changes import reindex
from neural.models import NeuralEvent
from neural.restaurant.models import Order, OrderLine
from neural.restaurant.totals import DEMAND, MONEY

Keyed = tuple[str, NeuralEvent, Any]
"""An order's key, an event about it, and what the event states, in the normal form."""


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
        before[order.pk] = Before(order.counted_day, order.currency, is_new=order.read_key())
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
    """Whether the sums of payments must be computed anew: the currency has changed, or whether the
    order counts, in which case a return is a reversal."""
    if order.currency != before.currency:
        return not before.is_new
    return bool(order.refunded) and (order.counted_day is None) != (before.day is None)
