"""The search collections of orders, dishes and shifts, and where their records are in the
database."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext_lazy as _

from neural.models import NeuralEvent
from neural.restaurant import documents
from neural.restaurant.keys import number_of
from neural.restaurant.models import Dish, Order, OrderLine, OrderState, Shift
from neural.restaurant.models.newest import event_of, moment_of
from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.registry import (
    Record,
    Rows,
    SearchCollection,
    of_stores,
    permission_of,
    register_collection,
)


class Orders(Rows):
    model, name, walked_by = Order, "key", ("key", "store")

    def all(self) -> QuerySet[Any]:
        """Orders without those of which only a payment is known."""
        return Order.objects.exclude(state=OrderState.EXPECTED)

    def with_parts(self, rows: QuerySet[Any]) -> Iterable[Any]:
        lines = OrderLine.objects.order_by("position")
        orders = list(rows.prefetch_related(Prefetch("lines", queryset=lines)))
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
            "placed_at": row.placed_at,
            "lines": lines,
            "cancel_reason": row.cancel_reason,
        }


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


def _register(
    name: str, document: Callable[[Record], Document], source: Rows, label: Any, **others: Any
) -> None:
    register_collection(
        SearchCollection(
            name=name,
            label=label,
            document=document,
            source=source,
            address=source.address,
            permission=permission_of(source.model),
            **others,
        )
    )


_register(documents.ORDERS, documents.order, Orders(), _("orders"))
_register(documents.DISHES, documents.dish, Dishes(), _("dishes"), vectors=("whole", "title"))
_register(documents.SHIFTS, documents.shift, Shifts(), _("shifts"))
