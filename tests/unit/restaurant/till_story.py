"""Events of tills for tests of orders, each in one line."""

import datetime as dt
from decimal import Decimal
from typing import Any

from neural.models import NeuralEvent, Store
from neural.restaurant.models import Order, Payment
from tests.unit.restaurant.history import NOON, handle, line, record

MONDAY, TUESDAY = dt.date(2026, 3, 2), dt.date(2026, 3, 3)


def local(day: dt.date, time: str) -> dt.datetime:
    """A moment in the store's own time (UTC+8)."""
    return dt.datetime.fromisoformat(f"{day}T{time}:00+08:00")


class Till:
    """A till, or what one till says of one business day. What it says later is newer."""

    def __init__(self, store: Store, till: str = "", day: dt.date | None = None) -> None:
        self.store = store
        self.where: dict[str, Any] = {}
        if till:
            self.where["till"] = till
        if day:
            self.where["day"] = str(day)

    def tell(self, kind: str, /, when: dt.datetime | None = None, **payload: Any) -> NeuralEvent:
        """Records and handles an event. Without a time, it occurs a minute after the former one."""
        told = NeuralEvent.objects.count()
        when = when or NOON + dt.timedelta(minutes=told)
        event = record(self.store, kind, when, f"event-{told:04}", {**self.where, **payload})
        handle(event)
        return event

    def order(self, order_id: str = "17", *prices: Any, **more: Any) -> NeuralEvent:
        """States a whole order; each price is a line of one dish."""
        more.setdefault("lines", [line(f"dish {price}", 1, str(price)) for price in prices])
        return self.tell("order.stated", order_id=order_id, **more)

    def status(self, order_id: str, status: str, **more: Any) -> NeuralEvent:
        return self.tell("order.status_changed", order_id=order_id, status=status, **more)

    def paid(self, order_id: str, amount: Any, payment_id: str = "P1", **more: Any) -> NeuralEvent:
        told = {"order_id": order_id, "amount": str(amount), "payment_id": payment_id}
        return self.tell("payment.stated", **told, **more)

    def refunded(
        self, order_id: str, amount: Any, refund_id: str = "R1", **more: Any
    ) -> NeuralEvent:
        told = {"order_id": order_id, "amount": str(amount), "refund_id": refund_id}
        return self.tell("refund.stated", **told, **more)


def bill(kind: str, amount: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "amount": amount, **more}


def the_order(key: str = "17") -> Order:
    return Order.objects.get(key=key)


def the_payment(key: str = "P1") -> Payment:
    return Payment.objects.get(key=key)


def keys() -> list[str]:
    return sorted(Order.objects.values_list("key", flat=True))


def counted(key: str = "17") -> tuple[Decimal, Decimal, Decimal]:
    """Total, what is still owed, and what was sold in the end."""
    order = the_order(key)
    return (order.total, order.balance, order.net)
