"""The collection of events. It belongs to search itself, because every project has events."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from neural.models import NeuralEvent
from neural.retrieval.collections import events
from neural.retrieval.collections.documents import key_of, parts_of
from neural.retrieval.collections.registry import Record, SearchCollection, register_collection
from neural.retrieval.collections.rows_of_stores import permission_of
from neural.sites import page_of


@dataclass(frozen=True)
class Events:
    """The source of events. The record's id is the primary key, because one event id may come from
    several sources."""

    def load(self, keys: Collection[str]) -> Mapping[str, Record]:
        """Records by key; pruned and missing events are left out."""
        found = self._rows(keys)
        records = {key_of(store=each.store_id, id=str(each.pk)): _event(each) for each in found}
        return {key: records[key] for key in keys if key in records}

    def there(self, keys: Collection[str]) -> set[str]:
        """The keys among these that :meth:`load` would find."""
        found = self._rows(keys).values_list("store_id", "pk")
        return {key_of(store=store, id=str(pk)) for store, pk in found}.intersection(keys)

    def _rows(self, keys: Collection[str]) -> QuerySet[NeuralEvent]:
        numbers = {own for key in keys if _is_number(own := parts_of(key)[1])}
        return NeuralEvent.objects.filter(pk__in=numbers, payload__isnull=False)

    def pages(self, *, after: str, size: int) -> Iterator[Sequence[str]]:
        """Pages of keys after the one given, the oldest event first."""
        last = int(parts_of(after)[1]) if after else 0
        rows = NeuralEvent.objects.filter(pruned_at=None).order_by("pk")
        while page := list(rows.filter(pk__gt=last).values_list("store_id", "pk")[:size]):
            last = page[-1][1]
            yield [key_of(store=store, id=str(pk)) for store, pk in page]

    def count(self) -> int:
        """How many events there are, including pruned ones."""
        return NeuralEvent.objects.count()

    def address(self, key: str) -> str:
        """The event's page in the admin; empty if the event was only ingested."""
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


_SOURCE = Events()

register_collection(
    SearchCollection(
        name=events.NAME,
        label=_("events"),
        document=events.document,
        source=_SOURCE,
        address=_SOURCE.address,
        permission=permission_of(NeuralEvent),
    )
)
