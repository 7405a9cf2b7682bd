"""Where the records of the built-in collections are in the database."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch, QuerySet

from neural.models import Dish, NeuralEvent, Order, OrderLine, OrderState, Shift
from neural.models.newest import event_of, moment_of
from neural.sites import page_of
from neural.vectors.builtin.rows_of_stores import Rows, of_stores
from neural.vectors.collections import Record
from neural.vectors.documents import key_of, parts_of


class Orders(Rows):
    model, name, walked_by = Order, "number", ("number", "store")

    def all(self) -> QuerySet[Any]:
        """Without those that only a payment has named so far."""
        return Order.objects.exclude(state=OrderState.EXPECTED)

    def with_parts(self, rows: QuerySet[Any]) -> Iterable[Any]:
        lines = OrderLine.objects.order_by("position")
        orders = list(rows.prefetch_related(Prefetch("lines", queryset=lines)))
        payloads = _payloads(orders)
        for order in orders:
            order.stated = payloads.get(_stated_by(order), {})
        return orders

    def record(self, row: Any) -> Record:
        """An order with its lines, and with whatever else its newest event says: the order's own
        row keeps no notes."""
        lines = row.stated.get("lines") or [_line(line) for line in row.lines.all()]
        return {
            **row.stated,
            "id": row.number,
            "store_id": row.store_id,
            "state": row.state,
            "placed_at": row.placed_at,
            "lines": lines,
            "cancel_reason": row.cancel_reason,
        }


def _stated_by(order: Order) -> tuple[str, str, str]:
    """Store, id and source of the event that last stated the order's content."""
    return (order.store_id, *event_of(order.content_version))


def _payloads(orders: Iterable[Order]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """What the events say that last stated these orders; nothing of those that are pruned."""
    wanted = [_stated_by(order)[:2] for order in orders]
    kept = NeuralEvent.objects.filter(payload__isnull=False)
    columns = ("store_id", "event_id", "source", "payload")
    return {
        (store, event_id, source): payload
        for condition in of_stores(wanted, named="event_id")
        for store, event_id, source, payload in kept.filter(condition).values_list(*columns)
    }


def _line(line: OrderLine) -> Mapping[str, str]:
    quantity = format(line.quantity.normalize(), "f")
    return {"name": line.name or line.dish, "dish": line.dish, "quantity": quantity}


class Dishes(Rows):
    model, name, walked_by = Dish, "code", ("store", "code")

    def record(self, row: Dish) -> Record:
        """A dish with whatever else its store says of it."""
        told = {
            "id": row.code,
            "store_id": row.store_id,
            "title": row.name,
            "category": row.category,
            "updated_at": moment_of(row.version) if row.version else None,
        }
        return {**row.details, **told}


class Shifts(Rows):
    model, name, walked_by = Shift, "code", ("code", "store")

    def record(self, row: Shift) -> Record:
        """A shift; its times in its store's own zone, as people there would say them."""
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


@dataclass(frozen=True)
class Events:
    """Events, by their primary key: one id of a till may come from several sources."""

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Records by key; those that are pruned or gone are left out."""
        found = self._rows(keys)
        records = {key_of(store=each.store_id, id=str(each.pk)): _event(each) for each in found}
        return {key: records[key] for key in keys if key in records}

    def there(self, keys: Collection[str]) -> set[str]:
        """Those of these keys that :meth:`load` would find."""
        found = self._rows(keys).values_list("store_id", "pk")
        return {key_of(store=store, id=str(pk)) for store, pk in found}.intersection(keys)

    def _rows(self, keys: Collection[str]) -> QuerySet[NeuralEvent]:
        numbers = {own for key in keys if _is_number(own := parts_of(key)[1])}
        return NeuralEvent.objects.filter(pk__in=numbers, payload__isnull=False)

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """Keys, the oldest first."""
        last = int(parts_of(after)[1]) if after else 0
        rows = NeuralEvent.objects.filter(pruned_at=None).order_by("pk")
        while page := list(rows.filter(pk__gt=last).values_list("store_id", "pk")[:size]):
            last = page[-1][1]
            yield [key_of(store=store, id=str(pk)) for store, pk in page]

    def count(self) -> int:
        """How many events there are, pruned ones among them."""
        return NeuralEvent.objects.count()

    def address(self, key: str) -> str:
        """The event's page in the admin; empty for one that was only handed in."""
        own = parts_of(key)[1]
        return page_of(NeuralEvent, own) if _is_number(own) else ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _event(event: NeuralEvent) -> Record:
    return {
        "id": str(event.pk),
        "store_id": event.store_id,
        "type": event.type,
        "event_id": event.event_id,
        "source": event.source,
        "occurred_at": event.occurred_at,
        "payload": event.payload,
    }
