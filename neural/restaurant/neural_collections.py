"""The search collections of orders, dishes and shifts, and where their records are in the
database."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext_lazy as _

from neural.models import NeuralEvent
from neural.restaurant import documents
from neural.restaurant.keys import number_of
from neural.restaurant.models import (
    Dish,
    Order,
    OrderLine,
    OrderState,
    Payment,
    PaymentStatus,
    Shift,
)
from neural.restaurant.models.newest import event_of, moment_of
from neural.retrieval.collections.registry import Record, Rows, of_stores, register_rows


class Orders(Rows):
    model, name, walked_by = Order, "key", ("key", "store")

    def all(self) -> QuerySet[Any]:
        """Orders without those of which only a payment is known."""
        return Order.objects.exclude(state=OrderState.EXPECTED)

    def with_parts(self, rows: QuerySet[Any]) -> Iterable[Any]:
        lines = OrderLine.objects.order_by("position")
        payments = Payment.objects.filter(status=PaymentStatus.COMPLETED).order_by("-amount", "pk")
        parts = (Prefetch("lines", queryset=lines), Prefetch("payments", queryset=payments))
        orders = list(rows.prefetch_related(*parts))
        payloads = _payloads(orders)
        for order in orders:
            order.stated = payloads.get(_stated_by(order), {})
        return orders

    def record(self, row: Any) -> Record:
        """An order with its lines, and with what else its newest event says, as long as its payload
        is kept."""
        lines = row.stated.get("lines") or [_line(line) for line in row.lines.all()]
        return {
            **row.stated,
            **{name: value for name, value in _columns(row).items() if value},
            "id": row.key,
            "order_id": number_of(row.key),
            "number": str(row),
            "store_id": row.store_id,
            "state": row.state,
            "status": row.display_status,
            "settled": _settled(row),
            "tenders": list(dict.fromkeys(each.tender for each in row.payments.all())),
            "placed_at": row.placed_at,
            "lines": lines,
            "cancel_reason": row.cancel_reason,
        }


def _settled(order: Order) -> str:
    """Whether the order is paid; empty if there is nothing to pay."""
    if order.refunded:
        return "refunded"
    if order.unsettled and order.balance > 0:
        return "unpaid"
    return "paid" if order.paid else ""


def _stated_by(order: Order) -> tuple[str, str, str]:
    """Store, id and source of the newest event that stated the order's content."""
    return (order.store_id, *event_of(order.content_version))


def _payloads(orders: Iterable[Order]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """The payloads of the newest events of these orders, without those of pruned events."""
    wanted = [_stated_by(order)[:2] for order in orders]
    stored = NeuralEvent.objects.filter(payload__isnull=False)
    columns = ("store_id", "event_id", "source", "payload")
    return {
        (store, event_id, source): payload
        for condition in of_stores(wanted, named="event_id")
        for store, event_id, source, payload in stored.filter(condition).values_list(*columns)
    }


_FACTS = (
    *("till", "channel", "platform", "platform_number", "table", "member", "staff", "invoice"),
    *("note", "phone_last4", "bill"),
)


def _columns(order: Order) -> Mapping[str, Any]:
    """What an order is found by that stays when its event's payload is pruned."""
    day = order.business_day
    facts = {name: getattr(order, name) for name in _FACTS}
    return {**facts, "total": str(order.total), "business_day": day.isoformat() if day else ""}


def _line(line: OrderLine) -> Mapping[str, Any]:
    quantity = format(line.quantity.normalize(), "f")
    text = {"name": line.name or line.dish, "dish": line.dish, "quantity": quantity}
    return {**text, "options": line.options or [], "note": line.note}


class Dishes(Rows):
    model, name, walked_by = Dish, "code", ("store", "code")

    def record(self, row: Dish) -> Record:
        """A dish, with all other fields that its store reports."""
        stated = {
            "id": row.code,
            "store_id": row.store_id,
            "title": row.name,
            "category": row.category,
            "price": row.price and str(row.price),
            "updated_at": moment_of(row.version) if row.version else None,
        }
        return {**row.details, **stated}


class Shifts(Rows):
    model, name, walked_by = Shift, "code", ("code", "store")

    def record(self, row: Shift) -> Record:
        """A shift, with its time in the store's own time zone."""
        starts_at = row.starts_at.astimezone(row.store.zone)
        return {
            "id": row.code,
            "store_id": row.store_id,
            "staff_name": row.staff_name,
            "staff_code": row.staff_code,
            "role": row.role,
            "starts_at": starts_at,
            "when": f"{starts_at:%Y-%m-%d %H:%M}",
        }

    def with_parts(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.select_related("store")


register_rows(
    documents.ORDERS,
    _("orders"),
    documents.order,
    Orders(),
    has_amounts=True,
    has_days=True,
    near_enough=0.42,
)
register_rows(
    documents.DISHES,
    _("dishes"),
    documents.dish,
    Dishes(),
    vectors=("whole", "title"),
    happens=False,
    has_amounts=True,
    near_enough=0.215,
)
register_rows(
    documents.SHIFTS, _("shifts"), documents.shift, Shifts(), lies_ahead=True, near_enough=0.35
)
