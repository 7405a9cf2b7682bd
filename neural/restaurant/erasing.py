"""What erases a person from orders, payments and what else is computed from events."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from neural.events.changes import reindex
from neural.events.types import TYPES
from neural.models import NeuralEvent
from neural.personal.beside import in_their_rows
from neural.personal.erasing.erasure import register_erased_events_listener
from neural.personal.erasing.tables import Erasable, erase_from_rows, register_erasable
from neural.personal.person import MARK, Person
from neural.restaurant.identity import key_of
from neural.restaurant.models import (
    Availability,
    Dish,
    OpeningState,
    Order,
    OrderLine,
    Payment,
    SalesReport,
    Shift,
    TimeCard,
)
from neural.restaurant.schemas.tills import OfOrder

NAMING = ("member", "invoice")
"""An order's columns that name a guest."""


def _orders_changed(orders: Sequence[Order], person: Person) -> None:
    for order in orders:
        reindex(collection="orders", store=order.store_id, ids=[order.key])


def _lines_changed(lines: Sequence[Any], person: Person) -> None:
    for line in lines:
        reindex(collection="orders", store=line.order.store_id, ids=[line.order.key])


ORDERS = Erasable(
    name="orders",
    model=Order,
    fields=(*NAMING, "staff", "note", "phone_last4", "delivery", "progress", "cancel_reason"),
    after=_orders_changed,
)
LINES = Erasable(
    name="lines of orders",
    model=OrderLine,
    fields=("name", "note", "options"),
    store="order__store",
    after=_lines_changed,
)


def _shifts_changed(shifts: Sequence[Shift], person: Person) -> None:
    for shift in shifts:
        reindex(collection="staff", store=shift.store_id, ids=[shift.code])


def _dishes_changed(dishes: Sequence[Dish], person: Person) -> None:
    for dish in dishes:
        reindex(collection="dishes", store=dish.store_id, ids=[dish.code])


def erase_from_orders(events: Sequence[NeuralEvent], person: Person) -> None:
    """Erase the guest from the orders of these events: an order has the last digits of a phone,
    and the number of a member, which name the person only together with the event, as does a name
    in a note or in what a line is called. Orders are indexed with what their events say, so they
    are indexed anew."""
    for event in events:
        if key := _order_of(event):
            orders = Order.objects.select_for_update().filter(store=event.store_id, key=key)
            for order in orders:
                changes = {name: MARK for name in NAMING if getattr(order, name)}
                Order.objects.filter(pk=order.pk).update(phone_last4="", **changes)
                for table, rows in ((ORDERS, [order]), (LINES, order.lines.select_for_update())):
                    erase_from_rows(table, in_their_rows(person), rows)
            reindex(collection="orders", store=event.store_id, ids=[key])


def _order_of(event: NeuralEvent) -> str:
    """The key of the order that an event is about; empty if there is none."""
    kind = TYPES.find(event.type)
    if kind is None:
        return ""
    try:
        data = kind.read(event.payload)
    except (ValidationError, RecursionError):
        return ""
    return key_of(event, data) if isinstance(data, OfOrder) else ""


TABLES = (
    ORDERS,
    LINES,
    Erasable(name="payments", model=Payment, fields=("reason", "lines")),
    Erasable(name="openings", model=OpeningState, fields=("reason",)),
    Erasable(name="availabilities", model=Availability, fields=("reason",)),
    Erasable(name="dishes", model=Dish, fields=("details",), after=_dishes_changed),
    Erasable(name="sales reports", model=SalesReport, fields=("lines", "context")),
    Erasable(name="shifts", model=Shift, fields=("staff_name",), after=_shifts_changed),
    Erasable(name="time cards", model=TimeCard, fields=("staff_name", "breaks")),
)


def connect() -> None:
    """Register the tables, and what follows from an erased event."""
    for each in TABLES:
        register_erasable(each)
    register_erased_events_listener("orders", erase_from_orders)
