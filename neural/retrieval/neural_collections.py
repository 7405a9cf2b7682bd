"""The collection of events. It belongs to search itself, because every project has events.

An event is found by all the text in its payload."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from neural.models import NeuralEvent
from neural.retrieval.collections.documents import (
    Document,
    as_text,
    first_text,
    joined,
    key_of,
    meaning_of,
    moment_of,
    own_id,
    parts_of,
    store_of,
    texts,
)
from neural.retrieval.collections.registry import (
    Record,
    SearchCollection,
    permission_of,
    register_collection,
)
from neural.sites import page_of

NAME = "events"
_NAMING = frozenset({"name", "title", "dish", "item", "dish_name", "staff_name"})
MOST_NAMES = 200


def document(record: Mapping[str, Any]) -> Document:
    """The document of an event, whose payload is under ``payload`` or ``data``."""
    payload = record.get("payload") or record.get("data") or {}
    kind = first_text(record, "type", "event_type")
    event_id = first_text(record, "event_id")
    names = list(dict.fromkeys(_names(payload)))[:MOST_NAMES]
    return Document(
        id=own_id(record, "id", "event_id", collection=NAME),
        store=store_of(record, collection=NAME),
        kind=kind,
        at=moment_of(record, "occurred_at", "at"),
        title=" ".join(part for part in (kind, event_id) if part),
        names=tuple(names),
        text=joined([*texts(payload), first_text(record, "source", "event_source")]),
        meaning=meaning_of(names, (text for text in texts(payload) if text not in names)),
    )


def _names(value: Any) -> Iterator[str]:
    """The names of things in a payload, in its order."""
    if isinstance(value, Mapping):
        for field, inner in value.items():
            if field in _NAMING and (name := as_text(inner)):
                yield name
            else:
                yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)


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
        name=NAME,
        label=_("events"),
        document=document,
        source=_SOURCE,
        address=_SOURCE.address,
        permission=permission_of(NeuralEvent),
    )
)
