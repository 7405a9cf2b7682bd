"""Events as documents: an event is found by all the text in its payload. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.reading import (
    as_text,
    first_text,
    joined,
    meaning_of,
    moment_of,
    own_id,
    store_of,
    texts,
)

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
