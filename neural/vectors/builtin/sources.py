"""Where the records of the built-in collections are in the database."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Prefetch, Q, QuerySet
from django.urls import NoReverseMatch, reverse

from neural.models import Dish, NeuralEvent, Order, OrderLine, OrderState, Shift
from neural.models.newest import moment_of
from neural.vectors.collections import Record
from neural.vectors.documents import key_of, parts_of


class Rows:
    """Rows of one model that have a store and a name within it."""

    model: type[Model]
    name: str
    """The field that is the record's own id."""
    walked_by: tuple[str, str]
    """The columns of a unique index, in its order."""

    def record(self, row: Any) -> Record:
        raise NotImplementedError

    def all(self) -> QuerySet[Any]:
        """Rows that can be searched."""
        return self.model._default_manager.all()

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Records by key; those that are gone are left out."""
        wanted = [parts_of(key) for key in keys]
        names = {name for _store, name in wanted}
        stores = {store for store, _name in wanted}
        found = self.all().filter(**{f"{self.name}__in": names, "store__in": stores})
        rows = {self._key(row): row for row in self.with_parts(found)}
        return {key: self.record(rows[key]) for key in keys if key in rows}

    def with_parts(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Rows with what else :meth:`record` reads."""
        return rows

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """Keys in the order of the index, from a key on."""
        first, second = self.walked_by
        rows = self.all().order_by(first, second).values_list("store_id", self.name)
        while page := list(self._from(rows, after)[:size]):
            keys = [key_of(store=store, id=name) for store, name in page]
            after = keys[-1]
            yield keys

    def _from(self, rows: QuerySet[Any], after: str) -> QuerySet[Any]:
        if not after:
            return rows
        store, name = parts_of(after)
        at = {"store": store, self.name: name}
        first, second = self.walked_by
        # A range of the index and not an OR, which the database would read it all for.
        passed = Q(**{first: at[first], f"{second}__lte": at[second]})
        return rows.filter(**{f"{first}__gte": at[first]}).exclude(passed)

    def count(self) -> int:
        """How many records there are."""
        return self.all().count()

    def address(self, key: str) -> str:
        """The record's page in the admin; empty if it is gone or there is no admin."""
        store, name = parts_of(key)
        found = self.all().filter(**{self.name: name, "store": store})
        pk = found.values_list("pk", flat=True).first()
        return _page_of(self.model, pk) if pk is not None else ""

    def _key(self, row: Any) -> str:
        return key_of(store=row.store_id, id=getattr(row, self.name))


class Orders(Rows):
    model, name, walked_by = Order, "number", ("number", "store")

    def all(self) -> QuerySet[Any]:
        """Without those that only a payment has named so far."""
        return Order.objects.exclude(state=OrderState.EXPECTED)

    def with_parts(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        lines = OrderLine.objects.order_by("position")
        return rows.prefetch_related(Prefetch("lines", queryset=lines))

    def record(self, row: Order) -> Record:
        """An order with its lines."""
        return {
            "id": row.number,
            "store_id": row.store_id,
            "state": row.state,
            "placed_at": row.placed_at,
            "lines": [_line(line) for line in row.lines.all()],
            "cancel_reason": row.cancel_reason,
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
        numbers = {own for key in keys if _is_number(own := parts_of(key)[1])}
        kept = NeuralEvent.objects.filter(pk__in=numbers, payload__isnull=False)
        records = {key_of(store=each.store_id, id=str(each.pk)): _event(each) for each in kept}
        return {key: records[key] for key in keys if key in records}

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
        return _page_of(NeuralEvent, own) if _is_number(own) else ""


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


def _page_of(model: type[Model], pk: Any) -> str:
    try:
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])
    except NoReverseMatch:
        return ""
